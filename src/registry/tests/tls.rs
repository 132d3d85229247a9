//! The same over https: a server that wants certificates, signed by an authority of the test's own.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509NameBuilder};

use super::*;
use crate::config::converter::Pem;

struct Signed {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate by this name, signed by `issuer`, or by itself.
fn signed(name: &str, serial: u32, issuer: Option<&Signed>) -> Signed {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    match issuer {
        None => {
            builder.set_issuer_name(&subject).unwrap();
            let authority = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(authority).unwrap();
            builder.sign(&key, MessageDigest::sha256()).unwrap();
        }
        Some(issuer) => {
            let by = issuer.certificate.subject_name();
            builder.set_issuer_name(by).unwrap();
            let context = builder.x509v3_context(Some(&issuer.certificate), None);
            let names = SubjectAlternativeName::new()
                .dns(name)
                .build(&context)
                .unwrap();
            builder.append_extension(names).unwrap();
            builder.sign(&issuer.key, MessageDigest::sha256()).unwrap();
        }
    }
    Signed {
        certificate: builder.build(),
        key,
    }
}

fn pem(bytes: Vec<u8>) -> Pem {
    Pem::Text(SecretString::from(String::from_utf8(bytes).unwrap()))
}

/// Answers those who show a certificate of this authority with a schema; its port.
fn serve_securely(authority: &Signed) -> u16 {
    let server = signed("localhost", 2, Some(authority));
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&server.key).unwrap();
    acceptor.set_certificate(&server.certificate).unwrap();
    let mut trusted = X509StoreBuilder::new().unwrap();
    trusted.add_cert(authority.certificate.clone()).unwrap();
    acceptor.set_verify_cert_store(trusted.build()).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let Ok(mut stream) = acceptor.accept(stream) else {
                continue;
            };
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let length = SCHEMA.len();
                let head = format!(
                    "HTTP/1.1 200 X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                drop(stream.write_all(format!("{head}{SCHEMA}").as_bytes()));
            }
        }
    });
    port
}

#[test]
fn certificates_are_checked_on_both_sides() {
    let authority = signed("authority", 1, None);
    let port = serve_securely(&authority);
    let client = signed("client", 3, Some(&authority));
    let tls = RegistryTls {
        trusted: pem(authority.certificate.to_pem().unwrap()),
        chain: pem(client.certificate.to_pem().unwrap()),
        key: pem(client.key.private_key_to_pem_pkcs8().unwrap()),
    };
    let ask = |host: &str, tls: RegistryTls| {
        let url = format!("https://{host}:{port}");
        let (registry, heard) = start(&RegistryOptions {
            tls,
            read_timeout: Duration::from_secs(5),
            ..options(&[&url])
        });
        registry.lookup(SEVEN);
        heard.recv_timeout(Duration::from_secs(20)).unwrap()
    };
    assert_eq!(ask("localhost", tls.clone()), Event::Arrived);
    let refused = |host: &str, tls: RegistryTls| {
        let event = ask(host, tls);
        assert!(matches!(event, Event::Trouble(_)), "{event:?}");
    };
    // Not the name in its certificate; an authority that is not trusted; no certificate to show.
    refused("127.0.0.1", tls.clone());
    refused(
        "localhost",
        RegistryTls {
            trusted: Pem::None,
            ..tls.clone()
        },
    );
    refused(
        "localhost",
        RegistryTls {
            chain: Pem::None,
            key: Pem::None,
            ..tls
        },
    );
    let unusable = RegistryTls {
        trusted: pem(b"no certificate".to_vec()),
        ..RegistryTls::default()
    };
    let failed = Registry::start(
        &RegistryOptions {
            tls: unusable,
            ..options(&["https://localhost"])
        },
        |_| {},
    );
    assert!(failed.unwrap_err().contains("no certificate in PEM"));
}
