/** Which servers may have what a client sends, as far as Node can tell. */

import { readFileSync, realpathSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { endianness } from "node:os";
import { dirname } from "node:path";
import { geteuid } from "node:process";

const ESTABLISHED = 1;
const LISTEN = 10;
/** Group and others may write. */
const WRITABLE = 0o022;
const STICKY = 0o1000;

/** Why a token may not go to the server at the other end of a connection without TLS; undefined where it may. */
export function refusesToken(socket: Socket): string | undefined {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    if (localAddress === undefined || localPort === undefined || remoteAddress === undefined || remotePort === undefined) {
        return "the connection is over";
    }
    const uid = serverUid({ address: localAddress, port: localPort }, { address: remoteAddress, port: remotePort });
    if (uid !== undefined) return refusesUser(uid);
    const loopback = remoteAddress === "::1" || /^(::ffff:)?127\./.test(remoteAddress);
    return loopback
        ? "the system does not tell which user listens there; the option allowInsecureToken sends the token all the same"
        : "it is on another machine, and the connection is not encrypted; use https, or the option allowInsecureToken";
}

function refusesUser(uid: number): string | undefined {
    const own = geteuid?.();
    if (uid === own && uid === ambiguousUid()) return `user ${String(uid)} stands for several users in this container`;
    return uid === 0 || uid === own ? undefined : `user ${String(uid)} listens there, and not the own user`;
}

/** The number that stands for every user that has none in this user namespace; undefined where every user has one. */
function ambiguousUid(): number | undefined {
    const maps = linesOf("/proc/self/uid_map").map((line) => Number(line.trim().split(/\s+/)[2]));
    const mapped = maps.filter(Number.isFinite).reduce((sum, count) => sum + count, 0);
    if (maps.length === 0 || mapped >= 0xffff_ffff) return undefined;
    return Number(linesOf("/proc/sys/kernel/overflowuid")[0] ?? 65534);
}

function linesOf(path: string): string[] {
    try {
        return readFileSync(path, "latin1").split("\n").filter((line) => line !== "");
    } catch {
        return [];
    }
}

interface End {
    readonly address: string;
    readonly port: number;
}

interface Row {
    readonly local: End;
    readonly remote: End;
    readonly state: number;
    readonly uid: number;
    /** 0 while no process holds the socket. */
    readonly inode: number;
}

/** The user that holds the server's end of a connection, by the tables of the kernel. Only Linux has them. */
export function serverUid(local: End, remote: End, tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(linesOf)): number | undefined {
    const rows = tables.flat().flatMap((line) => readRow(line) ?? []);
    const [here, there] = [canonical(local), canonical(remote)];
    const connection = rows.find((row) => same(row.local, there) && same(row.remote, here));
    if (connection?.state !== ESTABLISHED) return undefined;
    if (connection.inode !== 0) return connection.uid;
    // It waits to be accepted by the listener at this address, or else at all.
    const listeners = rows.filter((row) => row.state === LISTEN && row.inode !== 0 && row.local.port === there.port);
    const listener = listeners.find((row) => same(row.local, there)) ?? listeners.find((row) => /^[0:.]+$/.test(row.local.address));
    return listener?.uid;
}

function same(one: End, other: End): boolean {
    return one.port === other.port && one.address === other.address;
}

function canonical({ address, port }: End): End {
    const text = address.replace(/^::ffff:(?=\d+\.)/, "");
    return { address: text.includes(":") ? expand(text) : text, port };
}

/** An IPv6 address with all of its digits. */
function expand(address: string): string {
    const [head = "", tail] = address.replace(/%.*$/, "").split("::");
    const groups = (text: string | undefined): string[] => (text ? text.split(":") : []);
    const [before, after] = [groups(head), groups(tail)];
    const missing = tail === undefined ? 0 : 8 - before.length - after.length;
    return [...before, ...Array<string>(missing).fill("0"), ...after].map((group) => group.padStart(4, "0")).join(":");
}

/** `0: 0100007F:1F90 0200007F:C350 01 … uid timeout inode`: addresses are words of the machine in hexadecimal. */
function readRow(line: string): Row | undefined {
    const words = line.trim().split(/\s+/);
    const [local, remote] = [readEnd(words[1]), readEnd(words[2])];
    if (!local || !remote) return undefined;
    return { local, remote, state: parseInt(words[3] ?? "", 16), uid: Number(words[7]), inode: Number(words[9]) };
}

function readEnd(text: string | undefined): End | undefined {
    const [digits = "", port = ""] = text?.split(":") ?? [];
    if (!/^([0-9A-F]{8}|[0-9A-F]{32})$/.test(digits)) return undefined;
    const bytes = Buffer.from(digits, "hex");
    if (endianness() === "LE") bytes.swap32();
    const v4 = bytes.length === 4 || bytes.subarray(0, 12).toString("hex") === "00000000000000000000ffff";
    const address = v4 ? bytes.subarray(-4).join(".") : (bytes.toString("hex").match(/.{4}/g) ?? []).join(":");
    return { address, port: parseInt(port, 16) };
}

/** Where the socket of a pipe is, once it is known to be the own user's or root's; an error says whose it is. */
export function trustedSocket(path: string): { path: string; reason?: string } {
    // The link is followed once: what is connected to is what was looked at.
    const real = realpathSync(path);
    const socket = statSync(real);
    const folder = statSync(dirname(real));
    if (!socket.isSocket()) return { path: real, reason: "it is no socket" };
    const reason = refusesUser(socket.uid) ?? refusesUser(folder.uid);
    if (reason !== undefined) return { path: real, reason };
    // In a folder like /tmp no other user can take the place of a socket; in another that all write to, any can.
    const open = (folder.mode & WRITABLE) !== 0 && (folder.mode & STICKY) === 0;
    return open ? { path: real, reason: `others may write to ${dirname(real)}` } : { path: real };
}
