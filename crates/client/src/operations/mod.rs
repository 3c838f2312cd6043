//! The operations of a client, by subject.

mod data;
mod environments;
mod evaluate;
mod items;
mod objects;
mod sessions;
