//! The operations of a client, by subject.

mod environments;
mod evaluate;
mod objects;
mod sessions;
