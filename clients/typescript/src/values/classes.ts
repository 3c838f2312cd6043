/** The Python values for which JavaScript has no type of its own. Each makes the round trip as it is. */

/** A Python tuple: an array of another class. Make one by `Tuple.of(1, 2)`. */
export class Tuple<T = unknown> extends Array<T> {
    static override of<T>(...items: T[]): Tuple<T> {
        return Tuple.from(items);
    }

    static override from<T>(items: Iterable<T> | ArrayLike<T>): Tuple<T> {
        const tuple = new Tuple<T>();
        for (const item of Array.from(items)) tuple.push(item);
        return tuple;
    }

    /** Methods such as `map` give plain arrays. */
    static override get [Symbol.species](): ArrayConstructor {
        return Array;
    }
}

/** A Python frozenset. */
export class FrozenSet<T = unknown> extends Set<T> {}

/** A Python bytearray; a plain `Uint8Array` is `bytes`. */
export class ByteArray extends Uint8Array {}

/** A float, also where it has no fraction: JavaScript writes the number 1.0 as `1`, which Python reads as an int. */
export class Float {
    constructor(readonly value: number) {}

    valueOf(): number {
        return this.value;
    }
}

/** A complex number. */
export class Complex {
    constructor(readonly real: number, readonly imaginary: number) {}
}

/** A value that Python writes as text, and that is kept as that text. */
abstract class Text {
    constructor(readonly text: string) {}

    toString(): string {
        return this.text;
    }

    toJSON(): string {
        return this.text;
    }
}

/** A `decimal.Decimal`, by its text, digit for digit. */
export class Decimal extends Text {
    toNumber(): number {
        return Number(this.text);
    }
}

/** A `datetime.date`: `2026-11-21`. */
export class DateOnly extends Text {}

/** A `uuid.UUID`. */
export class Uuid extends Text {}

/** A `pathlib` path. */
export class PythonPath extends Text {}

/** What a moment or a time of day has beside its text. */
export interface Zoned {
    /** 1: the second of two times that read alike, where clocks were set back. */
    readonly fold?: number;
    /** The name of its zone, `Europe/Berlin`. */
    readonly zone?: string;
}

/** A `datetime.datetime`, with the microseconds that a `Date` lacks: `2026-11-21T09:30:00.000001+01:00`. Without an offset it is naive. */
export class DateTime extends Text implements Zoned {
    declare readonly fold?: number;
    declare readonly zone?: string;

    constructor(text: string, { fold, zone }: Zoned = {}) {
        super(text);
        if (fold !== undefined) this.fold = fold;
        if (zone !== undefined) this.zone = zone;
    }

    /** The moment, to the millisecond; a naive one is taken for local time, as Python does. */
    toDate(): Date {
        return new Date(this.text.replace(/(\.\d{3})\d+/, "$1"));
    }
}

/** A `datetime.time`: `09:30:00`. */
export class TimeOnly extends Text implements Zoned {
    declare readonly fold?: number;
    declare readonly zone?: string;

    constructor(text: string, { fold, zone }: Zoned = {}) {
        super(text);
        if (fold !== undefined) this.fold = fold;
        if (zone !== undefined) this.zone = zone;
    }
}

/** A `datetime.timedelta`. */
export class TimeDelta {
    constructor(readonly days: number, readonly seconds: number, readonly microseconds: number) {}

    toMilliseconds(): number {
        return (this.days * 86_400 + this.seconds) * 1000 + this.microseconds / 1000;
    }
}

/** A member of an enum: the class by its module and qualified name, and the member's value. */
export class PythonEnum<T = unknown> {
    constructor(readonly module: string, readonly name: string, readonly value: T) {}
}

/** A slice as a key: `handle.item(new Slice(1, 10, 2))` is `x[1:10:2]`. */
export class Slice {
    constructor(
        readonly start: number | bigint | null = null,
        readonly stop: number | bigint | null = null,
        readonly step: number | bigint | null = null,
    ) {}
}

/** `...` as a key. */
export const ELLIPSIS: unique symbol = Symbol("Ellipsis");

/** What stands for an object of the session: a handle, or the result of an earlier step of a batch. */
export interface Reference {
    /** How the wire writes it. */
    [REFERENCE](): unknown;
}

export const REFERENCE: unique symbol = Symbol("reference");
