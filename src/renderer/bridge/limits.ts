import type { TokenRate } from "../../base/token_bucket.ts";

/** Limits of the bridge. A writer that exceeds them is disconnected. */

/** Version of the contract in docs/bridge_wire.md. */
export const BRIDGE_VERSION = 1;

/** Folder of shared memory on Linux. */
export const SHARED_MEMORY_FOLDER = "/dev/shm";

/** Maximum message, without its header: a second of stereo sound at 48 kHz has 192 000 bytes. */
export const WIRE_PAYLOAD_BYTES_MAX = 256 * 1024;

/** Maximum JSON text that a writer may send. */
export const WRITER_JSON_BYTES_MAX = 4096;

/** Maximum text of a failure, in bytes. */
export const ERROR_TEXT_BYTES_MAX = 1024;

/** Maximum slot: a picture of 7680×4320 in RGBA has 126.6 MiB. */
export const SLOT_BYTES_MAX = 128 * 1024 * 1024;

/** Slot sizes are multiples of the page size, so that no two slots share a page. */
export const SLOT_BYTES_STEP = 4096;

/** Maximum slots of a ring: three for each of 340 sessions. */
export const SLOTS_MAX = 1024;

/** Maximum ring. Its memory is allocated when it is created, not when it is used. */
export const RING_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * Limit of ring requests. A picture that grows with a window needs a new ring for each frame; each costs the server a
 * few file operations and the memory.
 */
export const RINGS: TokenRate = { perSecond: 100, burst: 1000 };

/** Bytes of a ring that count as much as another ring. */
export const RING_COST_BYTES = 16 * 1024 * 1024;

/** Time limit for the first message of a connection, in milliseconds. */
export const HELLO_TIMEOUT_MS = 5_000;

/** How long a writer waits for the previous one to disconnect, in milliseconds; its end may be detected late. */
export const FORMER_WAIT_MS = 250;

/** Maximum connections, including those before HELLO. */
export const CONNECTIONS_MAX = 8;

/** Pause after each accepted connection, in milliseconds: at most a hundred a second. */
export const ACCEPT_PAUSE_MS = 10;

/** Message limit: a hundred sessions with 25 pictures and 50 chunks of sound a second send 7 500 messages. */
export const MESSAGES: TokenRate = { perSecond: 20_000 };

/** Byte limit of the socket; pictures do not go through it. */
export const BYTES: TokenRate = { perSecond: 64 * 1024 * 1024 };

/** Bytes that may be queued for a writer; with more, it is considered not to read. */
export const BACKLOG_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes that may be queued for a writer before viewers' messages are dropped. */
export const VIEWER_BACKLOG_BYTES_MAX = 1024 * 1024;

/** `PINHOLE_MESSAGE_SIZE_MAX` of ../native/include/pinhole.h, for both directions. */
export { MESSAGE_BYTES_MAX as VIEWER_MESSAGE_BYTES_MAX } from "../../base/limits.ts";

/** Messages to the viewers of one session that may be queued. */
export const VIEWER_MESSAGES_MAX = 64;

/** Minimum interval of DROPPED, in milliseconds. */
export const DROPPED_INTERVAL_MS = 1_000;

/** How long a session waits for the next picture before it repeats the last one, in milliseconds. */
export const PICTURE_WAIT_MS = 100;

/** A session becomes idle when its writer has sent nothing for this long, in milliseconds. */
export const SILENCE_MS = 500;

/** How far ahead a writer may write sound, in milliseconds: enough for a long answer at once. Sent in WELCOME. */
export const AUDIO_AHEAD_MS_MAX = 60_000;

/**
 * Maximum sound in the queue, in microseconds: a second more than a writer may write ahead, because the first chunk of
 * an answer may have been delayed more than those that follow.
 */
export const AUDIO_AHEAD_US_MAX = AUDIO_AHEAD_MS_MAX * 1000 + 1_000_000;

/** Maximum samples in the queue: {@link AUDIO_AHEAD_US_MAX} of stereo at 48 kHz, 11.7 MB per session. */
export const AUDIO_SAMPLES_MAX = 5_856_000;

/** Chunks of sound are merged up to this length, in microseconds. */
export const AUDIO_PIECE_US = 20_000;

/**
 * Maximum chunks in the queue: enough for {@link AUDIO_AHEAD_US_MAX}, because any two successive ones last more than
 * {@link AUDIO_PIECE_US}.
 */
export const AUDIO_PIECES_MAX = 6100;

/** Queued sound is dropped at this age, in microseconds. */
export const AUDIO_AGE_US_MAX = 1_000_000;

/** A chunk that comes up to this much late still follows the previous one without a gap, in microseconds. */
export const AUDIO_JITTER_US = 100_000;

/** Timestamps further from the present than this are replaced, in microseconds. */
export const TIMESTAMP_ERROR_US_MAX = 10_000_000;

/** Like {@link TIMESTAMP_ERROR_US_MAX}, for sound that is ahead: up to this, it may be part of a long answer. */
export const AUDIO_TIMESTAMP_AHEAD_US_MAX = 600_000_000;

/** Minimum interval of log lines about dropped sound, in milliseconds. */
export const SOUND_DROPPED_INTERVAL_MS = 10_000;

/** Bytes of one read of a bridge's socket, on either side. */
export const READ_BYTES = 64 * 1024;
