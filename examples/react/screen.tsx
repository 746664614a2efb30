import { useEffect, useRef, useState } from "react";
import { PinholePlayer } from "pinhole-client";

/** Plays a session and shows its state below. */
export function Screen({ server, session }: { server: string; session: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const [words, setWords] = useState("");
  useEffect(() => {
    if (!video.current) return;
    const player = new PinholePlayer({ video: video.current, server, session });
    player.addEventListener("view", ({ detail }) => {
      setWords(detail.problem?.message ?? detail.state);
    });
    player.start();
    return () => player.stop();
  }, [server, session]);
  return (
    <figure>
      <video ref={video} width={640} height={360} />
      <figcaption>{words}</figcaption>
    </figure>
  );
}
