/** Padded standard base64, in Node and in browsers. */

interface WithBase64 {
    toBase64?(): string;
}

const CHUNK = 0x8000;

export function toBase64(bytes: Uint8Array): string {
    const native = bytes as WithBase64;
    if (native.toBase64) return native.toBase64();
    if (typeof Buffer !== "undefined") {
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
    }
    let binary = "";
    for (let at = 0; at < bytes.length; at += CHUNK) {
        binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
    }
    return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
    if (typeof Buffer !== "undefined") return new Uint8Array(Buffer.from(text, "base64"));
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
    return bytes;
}
