//! `Authorization: Basic` (RFC 7617), strictly.
