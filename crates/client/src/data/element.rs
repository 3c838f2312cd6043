//! The types of an array's items.

/// A type of items, by its name in numpy's array protocol. Little-endian, as on the wire.
pub trait Element: bytemuck::Pod + sealed::Sealed {
    /// The name: `<f8`.
    const DTYPE: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($kind:ty => $dtype:literal),* $(,)?) => {
        $(
            impl sealed::Sealed for $kind {}
            impl Element for $kind {
                const DTYPE: &'static str = $dtype;
            }
        )*
    };
}

elements! {
    i8 => "|i1", i16 => "<i2", i32 => "<i4", i64 => "<i8",
    u8 => "|u1", u16 => "<u2", u32 => "<u4", u64 => "<u8",
    f32 => "<f4", f64 => "<f8",
    // Complex numbers: the real and the imaginary part.
    [f32; 2] => "<c8", [f64; 2] => "<c16",
}
