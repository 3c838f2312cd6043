//! The operations of a session, with their names on each wire.

/// One operation of a session. The number is the frame kind on the private worker wire (`WORKER.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Evaluate an expression, or statements whose last expression is the value.
    Evaluate = 1,
    /// Import a module and return its handle.
    Import = 2,
    /// Call a callable of a module and return a handle of the result, whatever it is.
    Create = 3,
    /// Call a method of an object.
    Call = 4,
    /// Read an attribute of a held object.
    GetAttribute = 5,
    /// Set an attribute of a held object.
    SetAttribute = 6,
    /// Release one handle, or several.
    Dispose = 7,
    /// Read an object as one row of 32-bit floats.
    ToFloatArray = 8,
    /// Read an object as rows of 32-bit floats.
    ToFloatArray2D = 9,
    /// Check whether a module can be found.
    ModuleAvailable = 10,
    /// Keep a value of the client and return its handle.
    Wrap = 11,
    /// Evaluate, with events for output, displays and the value.
    Execute = 12,
    /// Open a stream of the value of an expression, or of an object, and send its first items.
    Stream = 13,
    /// Send further items of a stream.
    Next = 14,
    /// Reply to a request from Python code. The host carries it out, not the worker.
    Answer = 15,
    /// Renew the lease of one handle, or of several.
    Renew = 16,
    /// Read an item of an object by its key.
    GetItem = 17,
    /// Set an item of an object.
    SetItem = 18,
    /// Delete an item of an object.
    DeleteItem = 19,
    /// The length of an object.
    Length = 20,
    /// Whether an object contains an item.
    Contains = 21,
    /// Call an object itself.
    Invoke = 22,
    /// The names of an object's attributes.
    Dir = 23,
    /// What can be known of an object without calling it.
    Describe = 24,
    /// An object as a value.
    Value = 25,
    /// Await an object and return its result.
    Await = 26,
    /// Run operations one after the other in one request.
    Batch = 27,
    /// Bring an object as bytes, an array or a table.
    Fetch = 28,
    /// Keep bytes, an array or a table that the client sends.
    Put = 29,
}

impl Operation {
    /// Every operation, in the order of their numbers.
    pub const ALL: [Operation; 29] = [
        Operation::Evaluate,
        Operation::Import,
        Operation::Create,
        Operation::Call,
        Operation::GetAttribute,
        Operation::SetAttribute,
        Operation::Dispose,
        Operation::ToFloatArray,
        Operation::ToFloatArray2D,
        Operation::ModuleAvailable,
        Operation::Wrap,
        Operation::Execute,
        Operation::Stream,
        Operation::Next,
        Operation::Answer,
        Operation::Renew,
        Operation::GetItem,
        Operation::SetItem,
        Operation::DeleteItem,
        Operation::Length,
        Operation::Contains,
        Operation::Invoke,
        Operation::Dir,
        Operation::Describe,
        Operation::Value,
        Operation::Await,
        Operation::Batch,
        Operation::Fetch,
        Operation::Put,
    ];

    /// Whether events always precede its response.
    pub const fn has_events(self) -> bool {
        matches!(self, Operation::Execute | Operation::Stream | Operation::Next)
    }

    /// The HTTP route, to which requests are posted.
    pub const fn http_path(self) -> &'static str {
        match self {
            Operation::Evaluate => "/api/eval",
            Operation::Import => "/api/import",
            Operation::Create => "/api/create",
            Operation::Call => "/api/call",
            Operation::GetAttribute => "/api/getattr",
            Operation::SetAttribute => "/api/setattr",
            Operation::Dispose => "/api/dispose",
            Operation::ToFloatArray => "/api/tofloatarray",
            Operation::ToFloatArray2D => "/api/tofloatarray2d",
            Operation::ModuleAvailable => "/api/module-available",
            Operation::Wrap => "/api/wrap",
            Operation::Execute => "/api/execute",
            Operation::Stream => "/api/stream",
            Operation::Next => "/api/next",
            Operation::Answer => "/api/answer",
            Operation::Renew => "/api/renew",
            Operation::GetItem => "/api/getitem",
            Operation::SetItem => "/api/setitem",
            Operation::DeleteItem => "/api/delitem",
            Operation::Length => "/api/len",
            Operation::Contains => "/api/contains",
            Operation::Invoke => "/api/invoke",
            Operation::Dir => "/api/dir",
            Operation::Describe => "/api/describe",
            Operation::Value => "/api/value",
            Operation::Await => "/api/await",
            Operation::Batch => "/api/batch",
            Operation::Fetch => "/api/fetch",
            Operation::Put => "/api/put",
        }
    }

    /// The operation that an HTTP route stands for.
    pub fn from_http_path(path: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.http_path() == path)
    }

    /// The command on the pipe.
    pub const fn pipe_command(self) -> &'static str {
        match self {
            Operation::Evaluate => "eval",
            Operation::Import => "import",
            Operation::Create => "create",
            Operation::Call => "call",
            Operation::GetAttribute => "getattr",
            Operation::SetAttribute => "setattr",
            Operation::Dispose => "dispose",
            Operation::ToFloatArray => "tofloatarray",
            Operation::ToFloatArray2D => "tofloatarray2d",
            Operation::ModuleAvailable => "module_available",
            Operation::Wrap => "wrap",
            Operation::Execute => "execute",
            Operation::Stream => "stream",
            Operation::Next => "next",
            Operation::Answer => "answer",
            Operation::Renew => "renew",
            Operation::GetItem => "getitem",
            Operation::SetItem => "setitem",
            Operation::DeleteItem => "delitem",
            Operation::Length => "len",
            Operation::Contains => "contains",
            Operation::Invoke => "invoke",
            Operation::Dir => "dir",
            Operation::Describe => "describe",
            Operation::Value => "value",
            Operation::Await => "await",
            Operation::Batch => "batch",
            Operation::Fetch => "fetch",
            Operation::Put => "put",
        }
    }

    /// The operation that a command on the pipe stands for.
    pub fn from_pipe_command(command: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.pipe_command() == command)
    }

    /// The rpc of the gRPC service `PythonService`; also the last part of the JSON route `/rpc/PythonService/<Rpc>`.
    pub const fn rpc_name(self) -> &'static str {
        match self {
            Operation::Evaluate => "Evaluate",
            Operation::Import => "ImportModule",
            Operation::Create => "CreateObject",
            Operation::Call => "CallMethod",
            Operation::GetAttribute => "GetAttribute",
            Operation::SetAttribute => "SetAttribute",
            Operation::Dispose => "DisposeHandle",
            Operation::ToFloatArray => "ToFloatArray",
            Operation::ToFloatArray2D => "ToFloatArray2D",
            Operation::ModuleAvailable => "IsModuleAvailable",
            Operation::Wrap => "WrapValue",
            Operation::Execute => "Execute",
            Operation::Stream => "Stream",
            Operation::Next => "Next",
            Operation::Answer => "Answer",
            Operation::Renew => "RenewHandle",
            Operation::GetItem => "GetItem",
            Operation::SetItem => "SetItem",
            Operation::DeleteItem => "DeleteItem",
            Operation::Length => "GetLength",
            Operation::Contains => "Contains",
            Operation::Invoke => "Invoke",
            Operation::Dir => "ListAttributes",
            Operation::Describe => "Describe",
            Operation::Value => "GetValue",
            Operation::Await => "Await",
            Operation::Batch => "Batch",
            Operation::Fetch => "Fetch",
            Operation::Put => "Put",
        }
    }

    /// The operation that an rpc of `PythonService` stands for.
    pub fn from_rpc_name(name: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.rpc_name() == name)
    }

    /// The frame kind on the worker wire.
    pub const fn number(self) -> u8 {
        self as u8
    }
}
