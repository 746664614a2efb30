/// <reference lib="dom" />
import assert from "assert";
import type { ErrorCode } from "../../src/base/codes.ts";
import type * as declared from "../../src/viewer/pinhole.d.ts";
import * as actual from "../../src/viewer/pinhole.js";
import type * as declaredElement from "../../src/viewer/pinhole_player.d.ts";
import * as actualElement from "../../src/viewer/pinhole_player.js";

type Own<Player> = Exclude<keyof Player, keyof EventTarget>;

// The compiler holds the two files together here: every declared member is there and has the declared type, and …
const client: typeof declared = actual;
type Undeclared = Exclude<Own<actual.PinholePlayer>, Own<declared.PinholePlayer>>;
// … nothing is there that is not declared.
const UNDECLARED: [Undeclared] extends [never] ? "none" : Undeclared = "none";
// The same of the element.
const element: typeof declaredElement = actualElement;
type OwnOfElement<Element> = Exclude<keyof Element, keyof HTMLElement>;
type UndeclaredOfElement = Exclude<
  OwnOfElement<actualElement.PinholePlayerElement>,
  | OwnOfElement<declaredElement.PinholePlayerElement>
  | "connectedCallback"
  | "disconnectedCallback"
  | "connectedMoveCallback"
  | "attributeChangedCallback"
>;
const UNDECLARED_OF_ELEMENT: [UndeclaredOfElement] extends [never] ? "none" : UndeclaredOfElement =
  "none";
// What the server may refuse with is a problem that pages can name.
type Unnamed = Exclude<ErrorCode, declared.PlayerProblemCode>;
const UNNAMED: [Unnamed] extends [never] ? "none" : Unnamed = "none";

Deno.test("pinhole.d.ts: declares what pinhole.js exports", () => {
  assert.equal(UNDECLARED, "none");
  assert.equal(UNNAMED, "none");
  assert.deepEqual(Object.keys(client), [
    "PinholeError",
    "PinholePlayer",
    "checkPath",
    "forwardInput",
  ]);
});

Deno.test("pinhole_player.d.ts: declares what pinhole_player.js exports, which imports without a DOM", () => {
  assert.equal(UNDECLARED_OF_ELEMENT, "none");
  assert.deepEqual(Object.keys(element), ["PinholePlayerElement"]);
});

Deno.test("PinholePlayer: refuses options that cannot work", () => {
  const video = {} as HTMLVideoElement;
  const make = (options: Partial<declared.PinholePlayerOptions>) => () =>
    new client.PinholePlayer({ video, ...options });
  assert.throws(() => Reflect.construct(client.PinholePlayer, [{ session: "demo" }]), TypeError);
  assert.throws(make({}), TypeError);
  assert.throws(make({ session: "" }), TypeError);
  assert.throws(make({ session: "a/b" }), TypeError);
  assert.throws(make({ session: "x".repeat(65) }), TypeError);
  assert.throws(make({ url: "ws://[" }), TypeError);
  assert.throws(make({ session: "demo", server: "host" }), TypeError);
  assert.equal(make({ url: "http://host:9000/ws/demo" })().state, "stopped");
  assert.equal(make({ session: "demo", server: "http://host:9000/sub" })().state, "stopped");
});
