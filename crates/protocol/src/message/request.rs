//! The requests of a session's operations. They are only written here: hosts pass their bytes on to the session unread.

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
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateRequest<'a> {
    /// An expression, or statements of which the last may be an expression.
    pub expression: &'a str,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub locals: &'a NamedValues,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
    /// Names whose objects come beside the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<&'a [&'a str]>,
}

/// The body of [`Operation::Import`](crate::Operation::Import) and
/// [`Operation::ModuleAvailable`](crate::Operation::ModuleAvailable).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleRequest<'a> {
    /// The module, dotted.
    pub module_name: &'a str,
}

/// The body of [`Operation::Create`](crate::Operation::Create).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest<'a> {
    /// The module's handle.
    pub module_handle_id: &'a str,
    /// The class or other callable in it.
    pub class_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
}

/// The body of [`Operation::Call`](crate::Operation::Call).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The method.
    pub method_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
}

/// The body of [`Operation::GetAttribute`](crate::Operation::GetAttribute).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
}

/// The body of [`Operation::SetAttribute`](crate::Operation::SetAttribute).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// The new value.
    pub value: &'a Value,
}

/// The body of [`Operation::ToFloatArray`](crate::Operation::ToFloatArray),
/// [`Operation::ToFloatArray2D`](crate::Operation::ToFloatArray2D) and, for one handle,
/// [`Operation::Dispose`](crate::Operation::Dispose) and [`Operation::Renew`](crate::Operation::Renew).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandleRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
}

/// The body of [`Operation::Dispose`](crate::Operation::Dispose) for several handles. Unknown ids are skipped.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisposeRequest<'a> {
    /// The handles.
    pub handle_ids: &'a [String],
}

/// The body of [`Operation::GetItem`](crate::Operation::GetItem) and [`Operation::DeleteItem`](crate::Operation::DeleteItem).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The key, always in the exact form.
    pub key: &'a Value,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
}

/// The body of [`Operation::SetItem`](crate::Operation::SetItem).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetItemRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The key, always in the exact form.
    pub key: &'a Value,
    /// The new value.
    pub value: &'a Value,
}

/// The body of [`Operation::Contains`](crate::Operation::Contains).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainsRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The item.
    pub item: &'a Value,
}

/// The body of [`Operation::Invoke`](crate::Operation::Invoke).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
}

/// The body of [`Operation::Value`](crate::Operation::Value) and [`Operation::Await`](crate::Operation::Await).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// [`RETURN_HANDLE`], [`RETURN_JSON`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
    /// Whether a handle comes with the object's `repr`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repr: bool,
}

/// The body of [`Operation::Stream`](crate::Operation::Stream): an expression with its locals, or an object.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRequest<'a> {
    /// An expression, or statements of which the last is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<&'a str>,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub locals: &'a NamedValues,
    /// The handle of an object that is iterated over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<&'a str>,
    /// Whether the handles of the items outlive the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// The body of [`Operation::Wrap`](crate::Operation::Wrap).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrapRequest<'a> {
    /// The value to keep.
    pub value: &'a Value,
}

/// The body of [`Operation::Answer`](crate::Operation::Answer): the id, and one of the other three.
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
    pub eof: bool,
}

/// The body of [`Operation::Fetch`](crate::Operation::Fetch): an expression with its locals; or an object, its attribute,
/// or a call of its method.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRequest<'a> {
    /// An expression, or statements of which the last is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<&'a str>,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
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
    pub args: &'a [Value],
    /// Keyword arguments of the method.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
    /// What the client wants it to be; by default what the object is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DataKind>,
    /// How the client wants it written; by default raw, and a table as an Arrow stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<DataFormat>,
}

/// The body of [`Operation::Put`](crate::Operation::Put), without the data.
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
