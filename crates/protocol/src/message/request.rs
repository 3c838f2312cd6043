//! The requests of a session's operations. They are only written here: hosts pass their bytes on to the session unread.

#[cfg(feature = "schema")]
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::data::{DataFormat, DataKind};
use crate::value::kinds::Value;

/// The `returnType` of a client that wants a handle, even if the result has a value form.
pub const RETURN_HANDLE: &str = "IPythonObjectHandle";

/// The `returnType` of a client that wants a value: an array or a table too, and an error where there is none.
pub const RETURN_JSON: &str = "json";

/// The `returnType` of a client that shows the result: a `str` as it is, None as None, anything else as its `repr`.
pub const RETURN_TEXT: &str = "text";

/// Names with their values, in order: keyword arguments or locals.
pub type NamedValues = [(String, Value)];

/// The body of [`Operation::Evaluate`](crate::Operation::Evaluate).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateRequest<'a> {
    /// An expression, or statements of which the last may be an expression.
    pub expression: &'a str,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub locals: &'a NamedValues,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
    /// Names whose objects come beside the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<&'a [&'a str]>,
}

/// The body of [`Operation::Import`](crate::Operation::Import) and
/// [`Operation::ModuleAvailable`](crate::Operation::ModuleAvailable).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleRequest<'a> {
    /// The module, dotted.
    pub module_name: &'a str,
}

/// The body of [`Operation::Create`](crate::Operation::Create).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest<'a> {
    /// The module's handle.
    pub module_handle_id: &'a str,
    /// The class or other callable in it.
    pub class_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Value>>"))]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub kwargs: &'a NamedValues,
}

/// The body of [`Operation::Call`](crate::Operation::Call).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The method.
    pub method_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Value>>"))]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub kwargs: &'a NamedValues,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
}

/// The body of [`Operation::GetAttribute`](crate::Operation::GetAttribute).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
}

/// The body of [`Operation::SetAttribute`](crate::Operation::SetAttribute).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// The new value; None if it is absent.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Value>"))]
    pub value: &'a Value,
}

/// The body of [`Operation::ToFloatArray`](crate::Operation::ToFloatArray),
/// [`Operation::ToFloatArray2D`](crate::Operation::ToFloatArray2D) and, for one handle,
/// [`Operation::Dispose`](crate::Operation::Dispose) and [`Operation::Renew`](crate::Operation::Renew).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandleRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
}

/// The body of [`Operation::Dispose`](crate::Operation::Dispose) for several handles. Unknown ids are skipped.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisposeRequest<'a> {
    /// The handles.
    pub handle_ids: &'a [String],
}

/// The body of [`Operation::GetItem`](crate::Operation::GetItem) and [`Operation::DeleteItem`](crate::Operation::DeleteItem).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The key, always in the exact form.
    pub key: &'a Value,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
}

/// The body of [`Operation::SetItem`](crate::Operation::SetItem).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetItemRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The key, always in the exact form.
    pub key: &'a Value,
    /// The new value; None if it is absent.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Value>"))]
    pub value: &'a Value,
}

/// The body of [`Operation::Contains`](crate::Operation::Contains).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainsRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The item.
    pub item: &'a Value,
}

/// The body of [`Operation::Invoke`](crate::Operation::Invoke).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Value>>"))]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub kwargs: &'a NamedValues,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
}

/// The body of [`Operation::Value`](crate::Operation::Value) and [`Operation::Await`](crate::Operation::Await).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// What the result is made into: `handle`, `json`, `text`, `array`, `table`, `bytes`, or the name of a .NET type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub repr: bool,
}

/// The body of [`Operation::Stream`](crate::Operation::Stream): an expression with its locals, or an object.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRequest<'a> {
    /// An expression, or statements of which the last is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<&'a str>,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub locals: &'a NamedValues,
    /// The handle of an object that is iterated over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<&'a str>,
    /// Whether the handles of the items outlive the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub keep: bool,
}

/// The body of [`Operation::Wrap`](crate::Operation::Wrap).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrapRequest<'a> {
    /// The value to keep.
    pub value: &'a Value,
}

/// The body of [`Operation::Answer`](crate::Operation::Answer): the id, and one of the other three.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRequest<'a> {
    /// The id of the request, from its event.
    pub question_id: &'a str,
    /// The result of `input()` or of the callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a Value>,
    /// The error of the callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// The end of input.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<bool>"))]
    pub eof: bool,
}

/// The body of [`Operation::Fetch`](crate::Operation::Fetch): an expression with its locals; or an object, its attribute,
/// or a call of its method.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRequest<'a> {
    /// An expression, or statements of which the last is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<&'a str>,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub locals: &'a NamedValues,
    /// The handle of an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<&'a str>,
    /// The attribute of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_name: Option<&'a str>,
    /// The method of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method_name: Option<&'a str>,
    /// Positional arguments of the method.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Value>>"))]
    pub args: &'a [Value],
    /// Keyword arguments of the method.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Value>>"))]
    pub kwargs: &'a NamedValues,
    /// What the client wants it to be; by default what the object is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DataKind>,
    /// How the client wants it written; by default raw, and a table as an Arrow stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<DataFormat>,
}

/// The body of [`Operation::Put`](crate::Operation::Put), without the data.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutRequest<'a> {
    /// The name to bind it to in the session; without one it gets a handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
}

fn as_object<S: Serializer>(pairs: &&NamedValues, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
