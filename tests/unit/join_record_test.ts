import assert from "assert";
import type { Span, SpanAttributes, Tracer } from "../../src/base/tracer.ts";
import { settle } from "../support/parts/fake_clock.ts";
import { refusal, RegistrySetUp } from "../support/parts/registry_set_up.ts";

/** Writes each span down when it ends: its path, what it failed for, and its attributes. */
class RecordingTracer implements Tracer {
  readonly ended: { span: string; failure?: string; attributes: SpanAttributes }[] = [];

  start(name: string, attributes: SpanAttributes = {}): Span {
    return {
      child: (step, more) => this.start(`${name}/${step}`, more),
      end: (failure) => {
        this.ended.push({ span: name, attributes, ...(failure === undefined ? {} : { failure }) });
      },
    };
  }

  within<Result>(_: unknown, work: () => Promise<Result>): Promise<Result> {
    return work();
  }
}

Deno.test("JoinRecord: each part of the way is measured from where it begins", async () => {
  await using setUp = new RegistrySetUp();
  const { clock, meter } = setUp;
  const opened = Promise.withResolvers<void>();
  setUp.renderer.gate = () => opened.promise;
  const joining = setUp.join("main");
  await clock.advance(400);
  opened.resolve();
  const { peer } = await joining;
  await clock.advance(100);
  peer.listener.secured();
  await clock.advance(20);
  peer.listener.firstFrame();
  assert.deepEqual(meter.observed("answer_seconds"), [0.4]);
  assert.deepEqual(meter.observed("connect_seconds"), [0.1]);
  assert.deepEqual(meter.observed("first_frame_seconds"), [0.52]);
});

Deno.test("viewer_join: has a step for each part of the way, and ends with the first picture", async () => {
  const tracer = new RecordingTracer();
  await using setUp = new RegistrySetUp({ tracer });
  const { peer, handle } = await setUp.connect("main");
  peer.listener.firstFrame();
  handle.bye();
  await settle();
  assert.deepEqual(tracer.ended, [
    { span: "viewer_join/open_session", attributes: {} },
    { span: "viewer_join/connect", attributes: { port: 10_111, codec: "h264" } },
    { span: "viewer_join/first_frame", attributes: {} },
    { span: "viewer_join", attributes: { session: "main" } },
  ]);
});

Deno.test("viewer_join: a viewer that ends on the way, or is refused, fails the step and the whole", async () => {
  const tracer = new RecordingTracer();
  await using setUp = new RegistrySetUp({ tracer, ports: 1 });
  const { handle } = await setUp.join("main");
  assert.equal((await refusal(setUp.offer("other"))).code, "no_free_port");
  handle.bye();
  await settle();
  const failed = tracer.ended.filter(({ failure }) => failure !== undefined);
  assert.deepEqual(failed.map(({ span, failure }) => [span, failure]), [
    ["viewer_join/open_session", "no_free_port"],
    ["viewer_join", "no_free_port"],
    ["viewer_join/connect", "closed"],
    ["viewer_join", "closed"],
  ]);
});
