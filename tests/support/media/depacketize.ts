import assert from "assert";

/**
 * Puts the NAL units of one access unit together again from its RTP payloads (RFC 6184, packetization-mode 1), as a
 * receiver does. It fails on anything a receiver may reject: lost edges, nested structures, empty units.
 */
export function depacketizeH264(payloads: readonly Uint8Array[]): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let open: number[] | undefined;
  for (const payload of payloads) {
    assert.ok(payload.length > 0, "empty payload");
    const header = payload[0] ?? 0;
    const type = header & 0x1f;
    if (type === 28) {
      const fu = payload[1] ?? 0;
      assert.ok(payload.length > 2, "FU-A without content");
      assert.equal(fu & 0x20, 0, "reserved bit of FU-A is set");
      assert.notEqual(fu & 0xc0, 0xc0, "FU-A is start and end at once");
      if (fu & 0x80) {
        assert.equal(open, undefined, "FU-A starts inside another");
        open = [(header & 0xe0) | (fu & 0x1f)];
      }
      assert.ok(open, "FU-A continues nothing");
      assert.equal(open[0], (header & 0xe0) | (fu & 0x1f), "FU-A changes its header midway");
      open.push(...payload.subarray(2));
      if (fu & 0x40) {
        nals.push(new Uint8Array(open));
        open = undefined;
      }
      continue;
    }
    assert.equal(open, undefined, "FU-A without an end");
    if (type !== 24) {
      assert.ok(type >= 1 && type <= 23, `payload of type ${type}`);
      nals.push(payload);
      continue;
    }
    nals.push(...splitStapA(payload));
  }
  assert.equal(open, undefined, "FU-A without an end");
  return nals;
}

function splitStapA(payload: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let importance = 0;
  let forbidden = 0;
  for (let at = 1; at < payload.length;) {
    assert.ok(at + 2 <= payload.length, "STAP-A ends inside a length");
    const length = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    const nal = payload.subarray(at + 2, at + 2 + length);
    assert.ok(length > 0 && nal.length === length, "STAP-A ends inside a unit");
    importance = Math.max(importance, (nal[0] ?? 0) & 0x60);
    forbidden |= (nal[0] ?? 0) & 0x80;
    nals.push(nal);
    at += 2 + length;
  }
  assert.ok(nals.length > 0, "STAP-A without a unit");
  assert.equal((payload[0] ?? 0) & 0xe0, forbidden | importance, "STAP-A header bits");
  return nals;
}

/** A VP8 frame as a receiver put it together. */
export interface Vp8Frame {
  readonly frame: Uint8Array;
  /** 7 or 15 bits; undefined where the descriptors have none. */
  readonly pictureId: number | undefined;
}

/**
 * Puts one VP8 frame together again from its RTP payloads (RFC 7741 §4.2), whichever optional fields they have. It
 * fails where only one of the payloads may be the start, and where they disagree on the picture.
 */
export function depacketizeVp8(payloads: readonly Uint8Array[]): Vp8Frame {
  const bytes: number[] = [];
  let pictureId: number | undefined;
  for (const [index, payload] of payloads.entries()) {
    const flags = payload[0] ?? 0;
    assert.equal(flags & 0x48, 0, "reserved bits are set");
    assert.equal((flags & 0x10) !== 0, index === 0, "partition starts at the wrong payload");
    assert.equal(flags & 0x07, 0, "partition index");
    let at = 1;
    let id: number | undefined;
    if (flags & 0x80) {
      const extension = payload[at++] ?? 0;
      if (extension & 0x80) {
        id = payload[at++] ?? 0;
        if (id & 0x80) id = ((id & 0x7f) << 8) | (payload[at++] ?? 0);
      }
      if (extension & 0x40) at += 1;
      if (extension & 0x30) at += 1;
    }
    assert.ok(at < payload.length, "payload without content");
    if (index === 0) pictureId = id;
    assert.equal(id, pictureId, "payloads of different pictures");
    bytes.push(...payload.subarray(at));
  }
  return { frame: new Uint8Array(bytes), pictureId };
}
