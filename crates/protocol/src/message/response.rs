//! The responses of a session's operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::kinds::Value;

/// The response of an operation whose result is a value or a handle.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallResponse {
    /// The result in the exact form, unless it is a handle.
    #[serde(skip_serializing_if = "Value::is_none")]
    pub value: Value,
    /// Whether the result stays in the session. Absent for import, create and wrap, whose results always stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_handle: bool,
    /// The handle of a result that stays in the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<String>,
    /// The `__name__` of the object's type: `ndarray`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// The module of its type, unless that is `builtins`: `numpy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_module: Option<String>,
    /// Its `repr`, shortened, if the request asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repr: Option<String>,
    /// Its shape, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// The type of its elements, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What the call wrote to standard output. Absent if it wrote nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What the call wrote to standard error. Absent if it wrote nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// How many bytes of the output were left out. Absent if none were.
    #[serde(skip_serializing_if = "crate::data::is_zero")]
    pub omitted_output_bytes: u64,
    /// The session's epoch: 1 at first, one more after each restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_epoch: Option<u64>,
    /// The objects of the names that the request asked for, and that are bound.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, CallResponse>,
    /// What the generator of a stream has returned, unless that is None.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<Box<CallResponse>>,
}

/// The response of [`Operation::ModuleAvailable`](crate::Operation::ModuleAvailable).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleAvailableResponse {
    /// Whether the module can be found.
    pub available: bool,
}
