//! A line as the rows of a terminal that it fills.

use unicode_width::UnicodeWidthChar;

/// Tabs stop at each multiple of this column.
const TAB_STOP: usize = 8;

/// Splits a line into rows of at most `width` columns. Escape sequences, such as those of colors, take none.
pub(super) fn rows(line: &str, width: usize) -> Vec<String> {
    let (mut rows, mut row, mut column) = (Vec::new(), String::new(), 0);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' && chars.peek() == Some(&'[') {
            row.push(c);
            for part in chars.by_ref() {
                row.push(part);
                if part != '[' && ('@'..='~').contains(&part) {
                    break;
                }
            }
            continue;
        }
        let columns = match c {
            '\t' => TAB_STOP - column % TAB_STOP,
            _ => c.width().unwrap_or(0),
        };
        if column > 0 && column + columns > width {
            rows.push(std::mem::take(&mut row));
            column = 0;
        }
        column += columns;
        row.push(c);
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_wide_as_the_terminal() {
        assert_eq!(rows("", 4), [""]);
        assert_eq!(rows("abcd", 4), ["abcd"]);
        assert_eq!(rows("abcde", 4), ["abcd", "e"]);
        assert_eq!(rows("日本語", 4), ["日本", "語"]);
        assert_eq!(rows("日本語", 3), ["日", "本", "語"], "a character is not split");
        assert_eq!(rows("\x1b[31mabcd\x1b[0mef", 4), ["\x1b[31mabcd\x1b[0m", "ef"]);
        assert_eq!(rows("a\tb", 8), ["a\t", "b"]);
    }
}
