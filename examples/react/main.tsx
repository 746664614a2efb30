import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import "./element.ts";
import { Screen } from "./screen.tsx";

const server = new URLSearchParams(location.search).get("server") ?? "http://localhost:9000/";

/** Shows the component and the element. */
function Page() {
  const [session, setSession] = useState("one");
  return (
    <>
      <Screen server={server} session="react" />
      <pinhole-player
        server={server}
        session={session}
        muted
        style={{ width: 640, height: 360 }}
        aria-label="A stream"
      />
      <button type="button" onClick={() => setSession("two")}>Other session</button>
    </>
  );
}

const root = document.querySelector("#root");
if (root) createRoot(root).render(<StrictMode><Page /></StrictMode>);
