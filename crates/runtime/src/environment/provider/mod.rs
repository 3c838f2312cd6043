//! Providers: what each needs, and the environment that has it.

mod accelerator;
mod ensure;
mod needs;

pub use accelerator::Accelerator;
pub use needs::ProvidersError;
