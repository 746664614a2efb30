/**
 * Reads a setting that may change while the server runs. Call it at each use and do not keep the value. It is a
 * function, since spreading an options object would replace a getter by its current value.
 */
export type Live<Value> = () => Value;
