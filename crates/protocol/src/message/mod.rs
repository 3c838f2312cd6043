//! Requests and responses, with the keys of `PROTOCOL.md`. Unknown keys are skipped, since the other side may be newer.

mod environment;
mod event;
mod request;
mod response;
pub(crate) mod session;

pub use environment::{
    CreateEnvironmentRequest, EnvironmentCreated, EnvironmentInfo, EnvironmentList, EnvironmentOrigin,
    EnvironmentRequest, InstallPackagesRequest, InstalledPackage, PackagesInstalled,
};
pub use event::{Display, LogRecord, Progress, SessionEpoch};
pub use request::{
    AnswerRequest, CallRequest, ContainsRequest, CreateRequest, DisposeRequest, EvaluateRequest, FetchRequest,
    GetAttributeRequest, HandleRequest, InvokeRequest, ItemRequest, ModuleRequest, NamedValues, PutRequest,
    RETURN_HANDLE, RETURN_JSON, RETURN_TEXT, SetAttributeRequest, SetItemRequest, StreamRequest, ValueRequest,
    WrapRequest,
};
pub use response::{CallResponse, ModuleAvailableResponse};
pub use session::{
    CallInfo, CancelOutcome, CancelRequest, CancelResponse, Health, InterruptRequest, InterruptResponse,
    SessionCreated, SessionInfo, SessionList, SessionRestarted,
};
