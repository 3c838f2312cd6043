//! The operations of a session, with the name that each wire has for them.

/// One operation of a session. The number is the frame kind on the private worker wire (`WORKER.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Evaluate an expression, or statements whose last expression is the value.
    Evaluate = 1,
    /// Import a module and answer with its handle.
    Import = 2,
    /// Call a callable of a module and answer with a handle, whatever it returns.
    Create = 3,
    /// Call a method of a held object.
    Call = 4,
    /// Read an attribute of a held object.
    GetAttribute = 5,
    /// Set an attribute of a held object.
    SetAttribute = 6,
    /// Let go of one handle, or of several.
    Dispose = 7,
    /// Read a held object as one row of 32-bit floats.
    ToFloatArray = 8,
    /// Read a held object as rows of 32-bit floats.
    ToFloatArray2D = 9,
    /// Tell whether a module could be imported.
    ModuleAvailable = 10,
    /// Keep a value that the client sends, and answer with its handle.
    Wrap = 11,
    /// Evaluate, and show what happens on the way, the value too.
    Execute = 12,
    /// Open a stream on what an expression gives, or a held object, and send its first items.
    Stream = 13,
    /// Send further items of a stream.
    Next = 14,
    /// Answer a question that Python code asks; done by the host.
    Answer = 15,
    /// Use one handle, or several, so that their leases begin anew.
    Renew = 16,
}

impl Operation {
    /// Every operation, in the order of their numbers.
    pub const ALL: [Operation; 16] = [
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
    ];

    /// Whether it tells of more than an answer, so that it is always followed.
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
