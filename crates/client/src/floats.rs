//! Float arrays, which arrive as bytes or as JSON.

use bytes::Bytes;

use crate::call::Reply;
use crate::error::Error;

/// One row.
pub(crate) fn array(reply: Reply) -> Result<Vec<f32>, Error> {
    match reply {
        Reply::Floats { data, .. } => numbers(&data),
        Reply::FloatRows(_) => Err(Error::malformed("rows where one row was expected")),
        Reply::Datum { .. } => Err(Error::malformed("data where floats were expected")),
        Reply::Json(text) => {
            let mut reader = Reader { text: &text, at: 0 };
            let row = reader.row()?;
            reader.end()?;
            Ok(row)
        }
    }
}

/// Rows; those in JSON may differ in length.
pub(crate) fn array_2d(reply: Reply) -> Result<Vec<Vec<f32>>, Error> {
    match reply {
        Reply::Floats { data, shape: Some((rows, columns)) } => {
            if rows.checked_mul(columns).and_then(|count| count.checked_mul(4)) != Some(data.len()) {
                return Err(Error::malformed(format!("{rows} rows of {columns} are not {} bytes", data.len())));
            }
            match columns {
                0 => Ok(vec![Vec::new(); rows]),
                columns => data.chunks_exact(columns * 4).map(|row| numbers(&Bytes::copy_from_slice(row))).collect(),
            }
        }
        Reply::Floats { shape: None, .. } => Err(Error::malformed("the response does not say how many rows it has")),
        Reply::FloatRows(rows) => Ok(rows),
        Reply::Datum { .. } => Err(Error::malformed("data where floats were expected")),
        Reply::Json(text) => {
            let mut reader = Reader { text: &text, at: 0 };
            let rows = reader.items(Reader::row)?;
            reader.end()?;
            Ok(rows)
        }
    }
}

fn numbers(data: &Bytes) -> Result<Vec<f32>, Error> {
    let (numbers, []) = data.as_chunks::<4>() else {
        return Err(Error::malformed(format!("{} bytes are no whole number of 32-bit floats", data.len())));
    };
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// A reader of JSON arrays of numbers. A JSON library would refuse `1e999`, which stands for Infinity where JSON has no
/// word for it, and would round twice on the way to 32 bits.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn row(&mut self) -> Result<Vec<f32>, Error> {
        self.items(Reader::number)
    }

    fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => {
                    self.expect(b']')?;
                    return Ok(items);
                }
            }
        }
    }

    fn number(&mut self) -> Result<f32, Error> {
        self.peek();
        let rest = &self.text[self.at..];
        for (word, number) in
            [("\"NaN\"", f32::NAN), ("\"Infinity\"", f32::INFINITY), ("\"-Infinity\"", f32::NEG_INFINITY)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(number);
            }
        }
        let length =
            rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).count();
        let number = std::str::from_utf8(&rest[..length]).ok().and_then(|number| number.parse().ok());
        self.at += length;
        number.ok_or_else(|| self.wrong("a number"))
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(&format!("`{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_some() { Err(self.wrong("the end")) } else { Ok(()) }
    }

    fn wrong(&self, wanted: &str) -> Error {
        Error::malformed(format!("expected {wanted} at byte {} of the float array", self.at))
    }
}
