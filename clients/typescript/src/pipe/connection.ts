/** One connection to a Unix socket, which carries one call at a time. */

import { connect, type Socket } from "node:net";

import { ConnectionFailed } from "../errors.js";

const CONNECT_TIMEOUT_MS = 10_000;
/** What the server has sent and is not read yet: beyond that nothing further is read from the socket. */
const MAX_UNREAD = 1 << 20;
const NEWLINE = 10;

/** The line could not be sent whole, so nothing of it runs. */
export class Unsent extends Error {}

export class PipeConnection {
    /** Whether no line was sent yet: the first one has the token. */
    isNew = true;
    /** Whether the server has let the client in: one that refuses says so in its first answer, and closes. */
    isLetIn = false;
    isOpen = true;
    private pieces: Buffer[] = [];
    private unread = 0;
    private failure: Error | undefined;
    private wake: (() => void) | undefined;

    private constructor(private readonly socket: Socket) {
        socket.on("data", (piece: Buffer) => {
            this.pieces.push(piece);
            this.unread += piece.length;
            if (this.unread > MAX_UNREAD && !this.wake) socket.pause();
            this.wake?.();
        });
        socket.on("error", (error) => { this.failure ??= error; });
        socket.on("close", () => {
            this.isOpen = false;
            this.failure ??= new Error("the server closed the connection");
            this.wake?.();
        });
    }

    static open(path: string, endpoint: string): Promise<PipeConnection> {
        return new Promise((resolve, reject) => {
            const socket = connect({ path });
            const fail = (error: Error): void => {
                clearTimeout(timer);
                socket.destroy();
                reject(new ConnectionFailed(endpoint, error));
            };
            const timer = setTimeout(() => { fail(new Error("no connection within 10 seconds")); }, CONNECT_TIMEOUT_MS);
            socket.once("error", fail);
            socket.once("connect", () => {
                clearTimeout(timer);
                socket.off("error", fail);
                resolve(new PipeConnection(socket));
            });
        });
    }

    /** Whether another call can follow: nothing that belongs to none has come. */
    get isUsable(): boolean {
        return this.isLetIn && this.isOpen && this.failure === undefined && this.unread === 0;
    }

    /** Sends a line, and the data that follow it. */
    send(line: string, data?: Uint8Array): Promise<void> {
        this.isNew = false;
        return new Promise((resolve, reject) => {
            const sent = (error?: Error | null): void => {
                if (error) reject(new Unsent(error.message, { cause: error }));
                else resolve();
            };
            if (!data) this.socket.write(`${line}\n`, sent);
            else {
                // The line alone would wait for its data: it runs only when both have come.
                this.socket.write(`${line}\n`);
                this.socket.write(data, sent);
            }
        });
    }

    async line(): Promise<string> {
        let searched = 0;
        for (;;) {
            for (; searched < this.pieces.length; searched += 1) {
                const end = this.pieces[searched]?.indexOf(NEWLINE) ?? -1;
                if (end === -1) continue;
                const before = this.pieces.slice(0, searched).reduce((sum, piece) => sum + piece.length, 0);
                return this.take(before + end + 1).toString("utf8");
            }
            await this.more();
        }
    }

    async bytes(length: number): Promise<Uint8Array> {
        const whole = new Uint8Array(length);
        let at = 0;
        while (at < length) {
            const piece = this.pieces[0];
            if (!piece) {
                await this.more();
                continue;
            }
            const taken = this.take(Math.min(piece.length, length - at));
            whole.set(taken, at);
            at += taken.length;
        }
        return whole;
    }

    /** Keeps no program from ending while the connection is idle. */
    rest(): void {
        this.socket.unref();
    }

    work(): void {
        this.socket.ref();
    }

    close(): void {
        this.isOpen = false;
        this.socket.destroy();
    }

    private more(): Promise<void> {
        if (this.failure) return Promise.reject(this.failure);
        if (this.socket.isPaused()) this.socket.resume();
        return new Promise((resolve, reject) => {
            this.wake = () => {
                this.wake = undefined;
                if (this.failure && this.unread === 0) reject(this.failure);
                else resolve();
            };
        });
    }

    /** The first bytes of what came. */
    private take(length: number): Buffer {
        this.unread -= length;
        const [first] = this.pieces;
        if (first && first.length >= length) {
            if (first.length === length) this.pieces.shift();
            else this.pieces[0] = first.subarray(length);
            return first.subarray(0, length);
        }
        const all = Buffer.concat(this.pieces);
        this.pieces = all.length > length ? [all.subarray(length)] : [];
        return all.subarray(0, length);
    }
}
