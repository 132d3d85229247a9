//! consume
pub mod native;
