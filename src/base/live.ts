/**
 * Reads a setting that may change while the server runs. Ask at each use and keep no answer: the next one may differ. A
 * function, since a getter of an options object would be frozen by the first spread.
 */
export type Live<Value> = () => Value;
