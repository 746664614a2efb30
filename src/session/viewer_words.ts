import type { ViewerErrorCode } from "./session_api.ts";
import type { EndReason } from "../base/codes.ts";

/** Error for a viewer by the reason for its end; reasons on the viewer's side have none. */
export const END_ERRORS: Readonly<Partial<Record<EndReason, readonly [ViewerErrorCode, string]>>> =
  {
    renderer_failed: ["renderer_failed", "The renderer failed"],
    encoder_failed: ["internal", "The video encoder failed; see the server's log"],
    internal_error: ["internal", "The server failed; see its log"],
    shutting_down: ["shutting_down", "The server is shutting down"],
  };

/** Text of the notices on dropped messages. */
export const DROP_WORDS = {
  viewer_only: "The token of this viewer allows watching only",
  over_budget: "A viewer may send 120 messages and 256 KiB a second; more is dropped",
  not_taken: "The renderer does not accept messages",
  no_writer: "No renderer is connected that could receive messages",
  not_read: "The renderer reads messages more slowly than they arrive",
  too_many: "The renderer reads messages more slowly than they arrive",
  too_long: "The renderer accepts messages of at most 64 KiB",
  no_way:
    "The renderer sent messages faster than this viewer read them, or bytes before a data channel was open",
} as const;
