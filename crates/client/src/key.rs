//! Keys of items.

use beep_python_protocol::Value;

/// The key of an item: any [`Value`] and what converts into one, a slice, or a tuple of these.
///
/// ```
/// # use beep_python_client::Key;
/// let name: Key = "name".into();
/// let every_second = Key::slice(None, None, 2);
/// let first_column = Key::tuple([Key::slice(None, None, None), 0.into()]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Key(pub(crate) Value);

impl Key {
    /// `[start:stop:step]`.
    pub fn slice(start: impl Into<Option<i64>>, stop: impl Into<Option<i64>>, step: impl Into<Option<i64>>) -> Key {
        let parts = [start.into(), stop.into(), step.into()].map(Value::from);
        Key(Value::Slice(Box::new(parts)))
    }

    /// `...`
    pub fn ellipsis() -> Key {
        Key(Value::Ellipsis)
    }

    /// A key of several parts, as arrays of more than one dimension take.
    pub fn tuple(parts: impl IntoIterator<Item = Key>) -> Key {
        Key(Value::Tuple(parts.into_iter().map(|part| part.0).collect()))
    }
}

impl<V: Into<Value>> From<V> for Key {
    fn from(value: V) -> Key {
        Key(value.into())
    }
}
