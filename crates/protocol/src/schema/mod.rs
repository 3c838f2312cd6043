//! What JSON Schema says of the messages. Most of it is derived from the messages themselves; here is what no type of ours reads or writes
//! as a whole: hosts pass on what a session says unread.

mod answers;
mod events;
mod requests;
mod values;

pub use answers::{
    BatchAnswer, CallAnswer, ContainsAnswer, DescribeAnswer, DirAnswer, DisposeAnswer, Float, HandleAnswer,
    HealthAnswer, ImportAnswer, LengthAnswer, LoginAnswer, ModuleAnswer, ProbeAnswer, PutAnswer, RenewAnswer,
    StreamAnswer, SubscriptionAnswer, SuccessAnswer,
};
pub use events::{Callback, ClearOutput, Event, InputRequest, Item, Output};
pub use requests::{
    AnswerBody, BatchBody, CreateEnvironmentBody, EnvironmentBody, HandlesBody, InstallBody, NextBody, StreamBody,
};
