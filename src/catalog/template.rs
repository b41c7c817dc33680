//! Rules and path templates as they are written.
