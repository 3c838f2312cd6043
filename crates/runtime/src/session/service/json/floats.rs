//! Arrays of floats, as JSON or as bytes.

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::{Buf, Bytes};

use crate::worker::chunks::Chunks;

/// From this size on, the text is made on another thread, so that other clients do not wait for it.
const LARGE_BYTES: usize = 64 << 10;

/// How arrays of floats are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFormat {
    /// As JSON for any reader: NaN is rejected.
    Plain,
    /// As JSON in which NaN is the string `"NaN"`.
    Exact,
    /// As bytes where all rows have one width, else as [`ArrayFormat::Exact`].
    Binary,
}

impl ArrayFormat {
    /// The format for a reader of values in this form.
    pub fn of(form: ValueForm) -> ArrayFormat {
        match form {
            ValueForm::Plain => ArrayFormat::Plain,
            ValueForm::Exact => ArrayFormat::Exact,
        }
    }
}

/// Encoded rows of floats.
pub enum Rows {
    /// All rows have one width: the floats of one row after the other.
    Binary {
        /// The number of rows.
        rows: usize,
        /// The number of floats in each row.
        width: usize,
        /// The floats, little-endian, 32 bits each.
        pieces: Vec<Bytes>,
    },
    /// An array of arrays.
    Json(Vec<u8>),
}

/// One row as a JSON array.
pub async fn row_to_json(body: Chunks, arrays: ArrayFormat) -> Result<Vec<u8>, Problem> {
    run_blocking(body.len(), move || {
        let bytes = body.contiguous();
        let mut out = Vec::with_capacity(bytes.len() * 2 + 2);
        write_row(&mut out, &bytes, arrays)?;
        Ok(out)
    })
    .await
}

/// Rows as bytes where the format asks for that and all have one width, else as a JSON array of arrays.
pub async fn rows(body: Chunks, arrays: ArrayFormat) -> Result<Rows, Problem> {
    run_blocking(body.len(), move || {
        let mut bytes = body.contiguous();
        let lengths = take_lengths(&mut bytes)?;
        let width = lengths.first().copied().unwrap_or(0);
        if arrays == ArrayFormat::Binary && lengths.iter().all(|&length| length == width) {
            return Ok(Rows::Binary { rows: lengths.len(), width, pieces: vec![bytes] });
        }
        let mut out = Vec::with_capacity(bytes.len() * 2 + 2);
        out.push(b'[');
        for (at, length) in lengths.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_row(&mut out, &bytes.split_to(length * 4), arrays)?;
        }
        out.push(b']');
        Ok(Rows::Json(out))
    })
    .await
}

/// Does work on so many bytes, on another thread where it takes long.
pub async fn run_blocking<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if bytes <= LARGE_BYTES {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Problem::new(ErrorCode::Internal, format!("writing the array failed: {error}"))))
}

/// Takes the head of the worker's answer: u32 count, then the u32 length of each row, in floats.
pub fn take_lengths(bytes: &mut Bytes) -> Result<Vec<usize>, Problem> {
    let broken = || Problem::new(ErrorCode::Internal, "the worker's array is not whole");
    let count = bytes.try_get_u32_le().map_err(|_| broken())? as usize;
    if bytes.len() / 4 < count {
        return Err(broken());
    }
    let lengths: Vec<usize> = (0..count).map(|_| bytes.get_u32_le() as usize).collect();
    if lengths.iter().sum::<usize>() * 4 != bytes.len() {
        return Err(broken());
    }
    Ok(lengths)
}

/// Appends `[1.5,2.0,1e999]`. JSON has no number for NaN, and existing clients read no word for it; infinity fits one.
fn write_row(out: &mut Vec<u8>, bytes: &[u8], arrays: ArrayFormat) -> Result<(), Problem> {
    out.push(b'[');
    for (at, four) in bytes.chunks_exact(4).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let float = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        if float.is_finite() {
            let _ = serde_json::to_writer(&mut *out, &float); // into memory: it cannot fail
        } else if float.is_nan() && arrays == ArrayFormat::Plain {
            let detail = format!(
                "element {at} is NaN, which a JSON array of numbers cannot hold; ask for values in the exact form"
            );
            return Err(Problem::new(ErrorCode::NotRepresentable, detail));
        } else if float.is_nan() {
            out.extend_from_slice(br#""NaN""#);
        } else {
            out.extend_from_slice(if float > 0.0 { b"1e999" } else { b"-1e999" });
        }
    }
    out.push(b']');
    Ok(())
}
