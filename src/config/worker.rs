//! The worker's own settings.
