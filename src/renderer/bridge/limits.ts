import type { TokenRate } from "../../base/token_bucket.ts";

/** Caps of the bridge. What comes from a writer is held to them; whoever goes beyond is disconnected. */

/** Version of the contract in docs/bridge_wire.md. */
export const BRIDGE_VERSION = 1;

/** Where shared memory is a file on Linux. */
export const SHARED_MEMORY_FOLDER = "/dev/shm";

/** Longest message, without its header: a second of stereo sound at 48 kHz has 192 000 bytes. */
export const WIRE_PAYLOAD_BYTES_MAX = 256 * 1024;

/** Longest text in JSON that a writer may send. */
export const WRITER_JSON_BYTES_MAX = 4096;

/** Longest text of a failure, in bytes. */
export const ERROR_TEXT_BYTES_MAX = 1024;

/** Largest slot: a picture of 7680×4320 in RGBA has 126.6 MiB. */
export const SLOT_BYTES_MAX = 128 * 1024 * 1024;

/** Slots are multiples of the host's page, so that no two of them share one. */
export const SLOT_BYTES_STEP = 4096;

/** Most slots of a ring: three for each of 340 sessions. */
export const SLOTS_MAX = 1024;

/** Largest ring. Its memory is taken when it is made, not when it is used. */
export const RING_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * Rings that writers may ask for at once, and then in a second. A picture that grows with a window needs a new one for
 * each frame; each costs the server a few files, and its memory.
 */
export const RINGS: TokenRate = { perSecond: 100, burst: 1000 };

/** Bytes of a ring that count as much as another ring. */
export const RING_COST_BYTES = 16 * 1024 * 1024;

/** How long a connection has for its first message, in milliseconds. */
export const HELLO_TIMEOUT_MS = 5_000;

/** How long a writer waits for the one before it to be gone, in milliseconds: its end may be noticed later. */
export const FORMER_WAIT_MS = 250;

/** Connections at a time, those included that have not said who they are. */
export const CONNECTIONS_MAX = 8;

/** Pause after each connection that is taken, in milliseconds: at most a hundred of them a second. */
export const ACCEPT_PAUSE_MS = 10;

/** A hundred sessions of 25 pictures and 50 pieces of sound a second send 7 500 messages. */
export const MESSAGES: TokenRate = { perSecond: 20_000 };

/** Bytes that a writer may send through the socket; pictures do not go through it. */
export const BYTES: TokenRate = { perSecond: 64 * 1024 * 1024 };

/** Bytes that may wait for a writer; one that lets more of them pile up does not read. */
export const BACKLOG_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes that may wait for a writer before messages of viewers are dropped. */
export const VIEWER_BACKLOG_BYTES_MAX = 1024 * 1024;

/** `PINHOLE_MESSAGE_SIZE_MAX` of ../native/include/pinhole.h, for both directions. */
export { MESSAGE_BYTES_MAX as VIEWER_MESSAGE_BYTES_MAX } from "../../base/limits.ts";

/** Messages to the viewers of one session that may wait to be fetched. */
export const VIEWER_MESSAGES_MAX = 64;

/** A writer is told of messages that did not reach a viewer no more often than this, in milliseconds. */
export const DROPPED_INTERVAL_MS = 1_000;

/** How long a session waits for the next picture before it says that the last one still holds, in milliseconds. */
export const PICTURE_WAIT_MS = 100;

/** A writer that has given a session nothing for so long leaves it idle, in milliseconds. */
export const SILENCE_MS = 500;

/** Sound that a writer may write ahead, in milliseconds: a long answer at once. WELCOME says it. */
export const AUDIO_AHEAD_MS_MAX = 60_000;

/**
 * Sound that may wait to be fetched, in microseconds: a second more than a writer may write ahead, as the first piece
 * of an answer may have taken longer to come than those that follow it.
 */
export const AUDIO_AHEAD_US_MAX = AUDIO_AHEAD_MS_MAX * 1000 + 1_000_000;

/** Samples that may wait: {@link AUDIO_AHEAD_US_MAX} of stereo at 48 kHz, 11.7 MB for a session. */
export const AUDIO_SAMPLES_MAX = 5_856_000;

/** Pieces of sound are joined to pieces of this length, in microseconds. */
export const AUDIO_PIECE_US = 20_000;

/** Pieces of sound that may wait: of {@link AUDIO_AHEAD_US_MAX}, as two in a row last more than {@link AUDIO_PIECE_US}. */
export const AUDIO_PIECES_MAX = 6100;

/** Sound that nobody fetched is dropped when it is so old, in microseconds. */
export const AUDIO_AGE_US_MAX = 1_000_000;

/** A piece of sound that comes this much too late still follows the one before without a gap, in microseconds. */
export const AUDIO_JITTER_US = 100_000;

/** Timestamps that lie further from the present than this are not believed, in microseconds. */
export const TIMESTAMP_ERROR_US_MAX = 10_000_000;

/** As {@link TIMESTAMP_ERROR_US_MAX}, for sound that lies ahead: what lies less ahead than this is of an answer. */
export const AUDIO_TIMESTAMP_AHEAD_US_MAX = 600_000_000;

/** Sound that was dropped is put into the log no more often than this, in milliseconds. */
export const SOUND_DROPPED_INTERVAL_MS = 10_000;
