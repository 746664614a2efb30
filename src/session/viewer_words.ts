import type { ViewerErrorCode } from "./door.ts";
import type { EndReason } from "../base/codes.ts";

/** What a viewer is told when it did not end by itself. */
export const END_ERRORS: Readonly<Partial<Record<EndReason, readonly [ViewerErrorCode, string]>>> =
  {
    renderer_failed: ["renderer_failed", "The renderer failed"],
    encoder_failed: ["internal", "The video encoder failed; the server's log says why"],
    internal_error: ["internal", "The server failed; its log says why"],
    shutting_down: ["shutting_down", "The server is shutting down"],
  };

/** What a viewer is told of messages that were dropped. */
export const DROP_WORDS = {
  viewer_only: "This viewer's token lets it watch only",
  over_budget: "A viewer may say 120 messages and 256 KiB a second; more is dropped",
  not_taken: "The renderer takes no messages",
  no_writer: "No renderer is connected to hear messages",
  not_read: "The renderer does not read as fast as messages come",
  too_many: "The renderer does not read as fast as messages come",
  too_long: "The renderer takes messages of 64 KiB at most",
  no_way:
    "The renderer's messages came faster than they were read, or before there was a way for bytes",
} as const;
