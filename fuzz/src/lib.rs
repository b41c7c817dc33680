//! What the fuzz targets hold inputs against: for each parser an oracle that is written
//! independently of it, so that more is found than what panics.
//!
//! Each module has one function `check`, which takes any bytes and panics where sidgate and
//! the oracle disagree. The targets call it with what libFuzzer makes up and, first
//! of all, with every committed input.

pub mod admin_bodies;
pub mod catalog;
pub mod credentials;
pub mod gate;
pub mod main_file;
pub mod openapi;
pub mod request_target;
mod scratch;
pub mod template;
pub mod tokens;
