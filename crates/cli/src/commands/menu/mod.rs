//! `menu`: frequent tasks, chosen instead of typed.

mod pages;
pub(crate) mod run;
