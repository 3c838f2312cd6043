/** Python for JavaScript and TypeScript programs: a client of Beep Python Runtime. */

export { connect, type ConnectOptions } from "./connect.js";
export { Client, type Health } from "./client.js";
export { Python, type Evaluation } from "./python.js";
export { Session, Sessions } from "./sessions.js";
export { Handle, type Description, type HandleInfo } from "./handle.js";
export { Batch, BatchResults, Step, type StepOptions, type StepOutcome } from "./batch.js";
export { callback, Callback, type CallbackCall, type CallbackFunction, type CallbackOptions } from "./callback.js";
export { NdArray, type Puttable, type TypedArray } from "./data.js";
export * from "./errors.js";
export type * from "./events.js";
export type * from "./options.js";
export type * from "./data-options.js";
export type * from "./session-options.js";
export {
    ByteArray, Complex, DateOnly, DateTime, Decimal, ELLIPSIS, Float, FrozenSet, PythonEnum, PythonPath, Slice, TimeDelta, TimeOnly, Tuple, Uuid,
    type Zoned,
} from "./values/classes.js";
