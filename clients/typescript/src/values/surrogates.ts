/** Text with lone surrogates, which UTF-8 cannot express: as Python writes it with `surrogatepass`. */

const LONE = /[\ud800-\udfff]/u;

export function hasLoneSurrogate(text: string): boolean {
    return LONE.test(text);
}

export function toSurrogatePass(text: string): Uint8Array {
    const bytes: number[] = [];
    for (const character of text) {
        const code = character.codePointAt(0) ?? 0;
        if (code < 0x80) bytes.push(code);
        else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
        else if (code < 0x1_0000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
        else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
    return Uint8Array.from(bytes);
}

export function fromSurrogatePass(bytes: Uint8Array): string {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
        const first = bytes[at] ?? 0;
        const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        let code = more === 0 ? first : first & (0x3f >> more);
        for (let next = 1; next <= more; next += 1) code = (code << 6) | ((bytes[at + next] ?? 0) & 0x3f);
        text += String.fromCodePoint(code);
        at += more + 1;
    }
    return text;
}
