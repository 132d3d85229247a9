//! Java's key and trust stores: JKS and PKCS#12, as certificates and keys in PEM.
//!
//! JKS is Java's own format: certificates stand in it as they are, private keys under a cipher of
//! its own (SHA-1 as a key stream). PKCS#12 is left to OpenSSL. Which of both a file is, its first
//! bytes tell, as they tell Java. Nothing that is read is ever shown.

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::sha::Sha1;
use openssl::x509::X509;

/// First bytes of a JKS file.
const JKS_MAGIC: u32 = 0xfeed_feed;

/// Entries of one store: a guard against a count that is not one.
const ENTRIES_MAX: u32 = 10_000;

/// Bytes of a SHA-1 digest, and of the salt before a key.
const DIGEST_BYTES: usize = 20;

/// What a store holds, in PEM.
#[derive(Default, PartialEq, Eq)]
pub(in crate::config) struct JavaStore {
    /// Certificates that are trusted.
    pub(in crate::config) trusted: String,
    /// The first private key.
    pub(in crate::config) key: Option<PrivateKey>,
}

/// A private key with its certificates, its own first.
#[derive(PartialEq, Eq)]
pub(in crate::config) struct PrivateKey {
    pub(in crate::config) key: String,
    pub(in crate::config) chain: String,
}

/// Reads a store. The passwords are those of the store, and of the key in it when it has another.
pub(in crate::config) fn read(
    bytes: &[u8],
    store_password: &str,
    key_password: Option<&str>,
) -> Result<JavaStore, String> {
    let mut reader = Reader { rest: bytes };
    if reader.number::<4>() == Ok(JKS_MAGIC.into()) {
        check_integrity(bytes, store_password)?;
        return read_jks(&mut reader, key_password.unwrap_or(store_password));
    }
    read_pkcs12(bytes, store_password)
}

fn read_pkcs12(bytes: &[u8], password: &str) -> Result<JavaStore, String> {
    let parsed = Pkcs12::from_der(bytes)
        .map_err(|_| "neither a JKS nor a PKCS#12 file".to_owned())?
        .parse2(password)
        .map_err(|_| {
            "the password is wrong, or its ciphers are so old that OpenSSL does not read them: \
             write it anew with keytool -importkeystore"
                .to_owned()
        })?;
    let mut store = JavaStore::default();
    let mut chain = String::new();
    if let Some(own) = &parsed.cert {
        chain.push_str(&certificate(own)?);
    }
    for other in parsed.ca.iter().flatten() {
        let other = certificate(other)?;
        store.trusted.push_str(&other);
        chain.push_str(&other);
    }
    if let Some(key) = &parsed.pkey {
        store.key = Some(PrivateKey {
            key: text(key.private_key_to_pem_pkcs8())?,
            chain,
        });
    }
    Ok(store)
}

fn read_jks(reader: &mut Reader<'_>, key_password: &str) -> Result<JavaStore, String> {
    let version = reader.number::<4>()?;
    if !(1..=2).contains(&version) {
        return Err(format!("a JKS file of unknown version {version}"));
    }
    let entries = reader.number::<4>()?;
    if entries > ENTRIES_MAX.into() {
        return Err(format!("more than {ENTRIES_MAX} entries"));
    }
    let mut store = JavaStore::default();
    for _ in 0..entries {
        let kind = reader.number::<4>()?;
        reader.text()?; // alias
        reader.take(8)?; // when it was made
        match kind {
            1 => {
                let protected = reader.block()?;
                let count = reader.number::<4>()?;
                let mut chain = String::new();
                for _ in 0..count.min(ENTRIES_MAX.into()) {
                    chain.push_str(&reader.certificate(version)?);
                }
                if store.key.is_none() {
                    store.key = Some(PrivateKey {
                        key: private_key(protected, key_password)?,
                        chain,
                    });
                }
            }
            2 => {
                let trusted = reader.certificate(version)?;
                store.trusted.push_str(&trusted);
            }
            _ => return Err("a JKS file with an entry of unknown kind".to_owned()),
        }
    }
    Ok(store)
}

/// The last bytes are a digest of the password and everything before them.
fn check_integrity(bytes: &[u8], password: &str) -> Result<(), String> {
    if password.is_empty() {
        return Ok(());
    }
    let (content, digest) = bytes
        .split_last_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let mut hash = Sha1::new();
    hash.update(&utf16(password));
    hash.update(b"Mighty Aphrodite");
    hash.update(content);
    if hash.finish() == *digest {
        Ok(())
    } else {
        Err("the password is wrong, or the file is damaged".to_owned())
    }
}

/// Undoes Java's key protector: 20 bytes of salt, the key XORed with a chain of digests, and a
/// digest of the key.
fn private_key(protected: &[u8], password: &str) -> Result<String, String> {
    let encrypted = encrypted_part(protected).ok_or("its key is protected in an unknown way")?;
    let (salt, rest) = encrypted
        .split_first_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let (encrypted, check) = rest
        .split_last_chunk::<DIGEST_BYTES>()
        .ok_or_else(cut_short)?;
    let password = utf16(password);
    let digest = |bytes: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(&password);
        hash.update(bytes);
        hash.finish()
    };
    let mut stream = *salt;
    let mut plain = Vec::with_capacity(encrypted.len());
    for block in encrypted.chunks(DIGEST_BYTES) {
        stream = digest(&stream);
        plain.extend(block.iter().zip(stream).map(|(byte, mask)| byte ^ mask));
    }
    if digest(&plain) != *check {
        return Err("the password of its key is wrong (ssl.key.password)".to_owned());
    }
    let key = PKey::private_key_from_pkcs8(&plain)
        .map_err(|_| "its key is of a kind that OpenSSL does not read".to_owned())?;
    text(key.private_key_to_pem_pkcs8())
}

/// The octets of DER's `SEQUENCE { AlgorithmIdentifier, OCTET STRING }`.
fn encrypted_part(der: &[u8]) -> Option<&[u8]> {
    let (0x30, whole, _) = element(der)? else {
        return None;
    };
    let (0x30, _, rest) = element(whole)? else {
        return None;
    };
    match element(rest)? {
        (0x04, octets, _) => Some(octets),
        _ => None,
    }
}

/// Tag and content of the first element of DER, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0x00..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            let length = bytes
                .iter()
                .fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of this many bytes.
    fn number<const BYTES: usize>(&mut self) -> Result<u64, String> {
        let bytes = self.take(BYTES)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn text(&mut self) -> Result<&'a [u8], String> {
        let length = self.number::<2>()?;
        self.take(usize::try_from(length).map_err(|_| cut_short())?)
    }

    fn block(&mut self) -> Result<&'a [u8], String> {
        let length = self.number::<4>()?;
        self.take(usize::try_from(length).map_err(|_| cut_short())?)
    }

    fn certificate(&mut self, version: u64) -> Result<String, String> {
        if version == 2 {
            self.text()?; // X.509
        }
        let parsed = X509::from_der(self.block()?)
            .map_err(|_| "it holds a certificate that OpenSSL does not read".to_owned())?;
        certificate(&parsed)
    }
}

fn certificate(certificate: &openssl::x509::X509Ref) -> Result<String, String> {
    text(certificate.to_pem())
}

fn text(pem: Result<Vec<u8>, openssl::error::ErrorStack>) -> Result<String, String> {
    pem.ok()
        .and_then(|pem| String::from_utf8(pem).ok())
        .ok_or_else(|| "it cannot be written as PEM".to_owned())
}

/// Java hashes passwords as UTF-16, high byte first.
fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn cut_short() -> String {
    "the file ends too early".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CA: &str = include_str!("fixtures/ca.pem");
    const TRUST_JKS: &[u8] = include_bytes!("fixtures/trust.jks");
    const TRUST_P12: &[u8] = include_bytes!("fixtures/trust.p12");
    const KEY_JKS: &[u8] = include_bytes!("fixtures/key.jks");

    #[test]
    fn trusted_certificates_come_out_as_they_went_in() {
        let ca = X509::from_pem(CA.as_bytes()).unwrap();
        for store in [TRUST_JKS, TRUST_P12] {
            let read = read(store, "s3cret", None).unwrap_or_default();
            let trusted = X509::stack_from_pem(read.trusted.as_bytes()).unwrap();
            assert_eq!(trusted.len(), 1);
            assert_eq!(trusted[0].to_der().unwrap(), ca.to_der().unwrap());
            assert!(read.key.is_none());
        }
        assert!(read(TRUST_JKS, "", None).is_ok(), "Java reads it too");
    }

    #[test]
    fn a_private_key_belongs_to_its_certificate() {
        let store = read(KEY_JKS, "s3cret", Some("k3ypass")).unwrap_or_default();
        let own = store.key.unwrap();
        let key = PKey::private_key_from_pem(own.key.as_bytes()).unwrap();
        let certificate = X509::from_pem(own.chain.as_bytes()).unwrap();
        assert!(certificate.public_key().unwrap().public_eq(&key));
    }

    #[test]
    fn what_cannot_be_read_is_told_without_secrets() {
        let check = |bytes: &[u8], password: &str, key_password: Option<&str>, part: &str| {
            let problem = read(bytes, password, key_password)
                .err()
                .unwrap_or_default();
            assert!(problem.contains(part), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        };
        check(TRUST_JKS, "wr0ng", None, "the password is wrong");
        check(TRUST_P12, "wr0ng", None, "the password is wrong");
        check(KEY_JKS, "s3cret", None, "ssl.key.password");
        check(b"", "", None, "neither a JKS nor a PKCS#12 file");
        check(CA.as_bytes(), "", None, "neither a JKS nor a PKCS#12 file");
        check(&TRUST_JKS[..30], "", None, "ends too early");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0..KEY_JKS.len(),
            byte: u8,
        ) {
            let mut jks = KEY_JKS.to_vec();
            jks[at] = byte;
            let mut made_up = JKS_MAGIC.to_be_bytes().to_vec();
            made_up.extend(&bytes);
            for bytes in [&bytes, &jks, &made_up] {
                if let Err(problem) = read(bytes, "", Some("k3ypass")) {
                    prop_assert!(!problem.is_empty());
                }
            }
        }
    }
}
