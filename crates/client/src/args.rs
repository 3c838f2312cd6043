//! Arguments and locals.

use beep_python_protocol::{Value, ValueError, to_value};
use serde::Serialize;

use crate::error::Error;

/// Names with their values, in order.
type Named = Vec<(String, Value)>;

/// Which argument has no value form, and why.
pub(crate) type Unwritable = (String, ValueError);

impl From<Unwritable> for Error {
    fn from((what, source): Unwritable) -> Error {
        Error::Encode { what, source }
    }
}

/// The positional and keyword arguments of a call. A tuple of up to six positional arguments converts into it.
///
/// ```
/// # use beep_python_client::Args;
/// let args = Args::new().arg("text").arg(3).kwarg("encoding", "utf-8");
/// let same: Args = ("text", 3).into();
/// ```
#[derive(Debug, Default)]
pub struct Args {
    positional: Vec<Value>,
    keyword: Locals,
    failure: Option<Unwritable>,
}

impl Args {
    /// No arguments.
    pub fn new() -> Args {
        Args::default()
    }

    /// Adds a positional argument: any value that serde can serialize, or a [`Handle`](crate::Handle). If one cannot be
    /// serialized, the call fails before it is sent.
    #[must_use]
    pub fn arg(mut self, value: impl Serialize) -> Args {
        match to_value(&value) {
            Ok(value) => self.positional.push(value),
            Err(error) => {
                self.failure.get_or_insert((format!("argument {}", self.positional.len() + 1), error));
            }
        }
        self
    }

    /// Adds a keyword argument.
    #[must_use]
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Args {
        self.keyword = self.keyword.local(name, value);
        self
    }

    pub(crate) fn into_values(self) -> Result<(Vec<Value>, Named), Error> {
        Ok(self.into_writable()?)
    }

    pub(crate) fn into_writable(self) -> Result<(Vec<Value>, Named), Unwritable> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok((self.positional, self.keyword.into_writable()?)),
        }
    }
}

/// Names that exist for one evaluation.
#[derive(Debug, Default)]
pub struct Locals {
    values: Named,
    failure: Option<Unwritable>,
}

impl Locals {
    /// No names.
    pub fn new() -> Locals {
        Locals::default()
    }

    /// Adds a name with its value: any that serde can serialize, or a [`Handle`](crate::Handle). If one cannot be
    /// serialized, the call fails before it is sent.
    #[must_use]
    pub fn local(mut self, name: impl Into<String>, value: impl Serialize) -> Locals {
        let name = name.into();
        match to_value(&value) {
            Ok(value) => self.values.push((name, value)),
            Err(error) => {
                self.failure.get_or_insert((format!("`{name}`"), error));
            }
        }
        self
    }

    pub(crate) fn into_values(self) -> Result<Named, Error> {
        Ok(self.into_writable()?)
    }

    pub(crate) fn into_writable(self) -> Result<Named, Unwritable> {
        self.failure.map_or(Ok(self.values), Err)
    }
}

impl From<()> for Args {
    fn from((): ()) -> Args {
        Args::new()
    }
}

impl From<()> for Locals {
    fn from((): ()) -> Locals {
        Locals::new()
    }
}

impl<N: Into<String>, V: Serialize, const LEN: usize> From<[(N, V); LEN]> for Locals {
    fn from(values: [(N, V); LEN]) -> Locals {
        values.into_iter().fold(Locals::new(), |locals, (name, value)| locals.local(name, value))
    }
}

macro_rules! positional {
    ($($kind:ident $value:ident),*) => {
        impl<$($kind: Serialize),*> From<($($kind,)*)> for Args {
            fn from(($($value,)*): ($($kind,)*)) -> Args {
                Args::new()$(.arg($value))*
            }
        }
    };
}

positional!(A a);
positional!(A a, B b);
positional!(A a, B b, C c);
positional!(A a, B b, C c, D d);
positional!(A a, B b, C c, D d, E e);
positional!(A a, B b, C c, D d, E e, F f);
