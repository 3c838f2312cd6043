//! The operations of a client, by subject.

mod environments;
mod evaluate;
mod items;
mod objects;
mod sessions;
