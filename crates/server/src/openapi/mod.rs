//! The HTTP wire, described: for machines as an OpenAPI document, for people as pages without a script.
//!
//! [`routes`] and [`operations`] are tables of what there is, [`errors`] of what can fail; [`document`] makes OpenAPI of them, with the
//! schemas of the messages themselves. [`docs_page`] writes the document for people, and [`home`] says what the server is.

mod answer;
mod described;
mod docs_page;
mod document;
mod errors;
mod home;
mod html;
mod operations;
mod parameters;
mod routes;
mod schema_html;
mod schemas;

pub use answer::Page;
pub use document::document;
