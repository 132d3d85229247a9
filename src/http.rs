//! What requests to other servers have in common.

use ureq::tls::{RootCerts, TlsConfig, TlsConfigBuilder, TlsProvider};

/// How such servers are trusted unless the user says more: by the system's library and certificates.
pub(crate) fn tls() -> TlsConfigBuilder {
    TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(RootCerts::PlatformVerifier)
}
