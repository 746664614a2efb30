/**
 * Whether tests that take long, such as those that install packages or unpack the executable again and again, run too:
 * `deno task test:long`. The gate leaves them out, and shows them as ignored.
 */
export const IS_LONG: boolean = Deno.env.get("PINHOLE_TEST_LONG") !== undefined;
