//! A process's identity: a key, and a certificate that the key has signed itself, by which peers know it.
//!
//! There is no authority: a peer is trusted because its certificate is pinned, byte for byte. Keys are Ed25519.

pub(in crate::net) mod socket;
pub(in crate::net) mod tls;

use crate::share::{Role, printable};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_eddsa_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long a certificate is valid that is made now.
pub const VALIDITY: Duration = Duration::from_secs(3 * 365 * DAY.as_secs());

/// Certificates that end within this time are warned about.
const SOON: Duration = Duration::from_secs(30 * DAY.as_secs());

/// A new certificate is valid from a day ago: the peers' clocks may be behind.
const CLOCK_TOLERANCE: Duration = DAY;

/// The faults of keys and certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Text that holds no key.
    #[error("it holds no Ed25519 key: {reason}")]
    Key {
        /// Why.
        reason: String,
    },
    /// Text that holds no certificate.
    #[error("it holds no certificate: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
    /// Text that holds several certificates.
    #[error(
        "it holds several certificates, and would stand for the first of them: put each node's into a file of its own"
    )]
    Several,
    /// A key and a certificate of different identities.
    #[error("the key is not that of the certificate {certificate}")]
    Mismatch {
        /// The certificate's.
        certificate: Fingerprint,
    },
    /// A certificate that is nobody's here.
    #[error(
        "it shows the certificate {found}, which is not pinned here; if it belongs to a peer that has renewed its \
        identity, compare `symbolon id` with its owner and put the new certificate into the folder peers"
    )]
    Unknown {
        /// The certificate that was shown.
        found: Fingerprint,
    },
    /// A certificate that is another's.
    #[error(
        "it shows the certificate {found}, where that of {owner}, {pinned}, is due; if {owner} has renewed its \
        identity, compare `symbolon id` with its owner and put the new certificate into the folder peers"
    )]
    Wrong {
        /// The role that is awaited.
        owner: Role,
        /// The certificate that was shown.
        found: Fingerprint,
        /// The pinned certificate.
        pinned: Fingerprint,
    },
    /// A certificate that is over.
    #[error("the certificate of {owner} expired {} ago; its owner runs `symbolon init --renew` and gives the new \
        certificate to its peers", days(.since))]
    Expired {
        /// Whose.
        owner: Role,
        /// For how long.
        since: Duration,
    },
    /// A certificate that is not valid yet.
    #[error("the certificate of {owner} becomes valid in {}: are the clocks right?", days(.wait))]
    NotYetValid {
        /// Whose.
        owner: Role,
        /// The time from now.
        wait: Duration,
    },
    /// Two roles that are one.
    #[error(
        "{first} and {second} have the same key here ({found}): each role has an identity of its own, or one node would \
        be both; compare `symbolon id` with both owners and put each one's certificate into the folder peers"
    )]
    Shared {
        /// One of them.
        first: Role,
        /// The other.
        second: Role,
        /// The certificate that is pinned for the second.
        found: Fingerprint,
    },
    /// A peer that is this process itself.
    #[error(
        "the certificate of {peer} ({found}) has this node's own key: compare `symbolon id` with its owner and put that \
        one's certificate into the folder peers"
    )]
    Own {
        /// The role whose certificate it should be.
        peer: Role,
        /// The pinned certificate.
        found: Fingerprint,
    },
    /// No key could be made.
    #[error("no key can be made: {reason}")]
    Generate {
        /// Why.
        reason: String,
    },
}

fn days(time: &Duration) -> String {
    match time.as_secs() / DAY.as_secs() {
        0 => "less than a day".into(),
        1 => "a day".into(),
        days => format!("{days} days"),
    }
}

/// A short form of a certificate that can be read aloud: 128 bits of its BLAKE3 hash, as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pair) in self.0.chunks(2).enumerate() {
            let dash = if index == 0 { "" } else { "-" };
            write!(f, "{dash}{:02x}{:02x}", pair[0], pair[1])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The public half of an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Reads the certificate of a PEM text.
    ///
    /// # Errors
    /// Where there is none, or it is damaged, and [`IdentityError::Several`].
    pub fn from_pem(text: &str) -> Result<Certificate, IdentityError> {
        let wrong = |reason: String| IdentityError::Certificate { reason: printable(&reason) };
        let der =
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        webpki::EndEntityCert::try_from(&der).map_err(|error| wrong(error.to_string()))?;
        match CertificateDer::pem_slice_iter(text.as_bytes()).nth(1) {
            Some(_) => Err(IdentityError::Several),
            None => Ok(Certificate(der)),
        }
    }

    /// Its public key, by which two certificates of one owner are known.
    fn public_key(&self) -> Vec<u8> {
        let certificate = webpki::EndEntityCert::try_from(&self.0).expect("a certificate that has been read");
        certificate.subject_public_key_info().to_vec()
    }

    pub(in crate::net) fn from_der(der: &CertificateDer<'_>) -> Certificate {
        Certificate(der.clone().into_owned())
    }

    /// The fingerprint by which it is recognised.
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = blake3::derive_key("symbolon certificate fingerprint 1", &self.0);
        Fingerprint(std::array::from_fn(|index| hash[index]))
    }

    /// Whether it is valid at a time, and signed by its own key.
    pub(in crate::net) fn check(&self, owner: Role, now: UnixTime) -> Result<(), IdentityError> {
        let provider = default_provider();
        let usage = webpki::KeyUsage::server_auth();
        let apart = |a: UnixTime, b: UnixTime| Duration::from_secs(a.as_secs().abs_diff(b.as_secs()));
        let anchor = webpki::anchor_from_trusted_cert(&self.0);
        let certificate = webpki::EndEntityCert::try_from(&self.0);
        let checked = anchor.and_then(|anchor| {
            let algorithms = provider.signature_verification_algorithms.all;
            certificate?.verify_for_usage(algorithms, &[anchor], &[], now, usage, None, None).map(|_| ())
        });
        match checked {
            Ok(()) => Ok(()),
            Err(webpki::Error::CertExpired { not_after, .. }) => {
                Err(IdentityError::Expired { owner, since: apart(now, not_after) })
            }
            Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
                Err(IdentityError::NotYetValid { owner, wait: apart(not_before, now) })
            }
            Err(error) => Err(IdentityError::Certificate { reason: error.to_string() }),
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

/// A new identity as it is kept in files.
pub struct IdentityPem {
    /// The private key: nobody else's business.
    pub key: Zeroizing<String>,
    /// The certificate, for the peers.
    pub certificate: String,
}

impl IdentityPem {
    /// Makes the identity of a process, valid for a time from now.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn generate(owner: Role, validity: Duration) -> Result<IdentityPem, IdentityError> {
        let now = Duration::from_secs(UnixTime::now().as_secs());
        IdentityPem::valid(owner, now.saturating_sub(CLOCK_TOLERANCE), now + validity)
    }

    /// Makes an identity that is valid between two times since 1970.
    pub(in crate::net) fn valid(
        owner: Role,
        from: Duration,
        until: Duration,
    ) -> Result<IdentityPem, IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::Generate { reason: error.to_string() };
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + from;
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("symbolon: {owner}"));
        let mut key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        let pem = IdentityPem { key: key.serialize_pem().into(), certificate };
        key.zeroize();
        Ok(pem)
    }
}

impl fmt::Debug for IdentityPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityPem(..)")
    }
}

/// A key and its certificate. The key lives in the cryptographic library, which clears it.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads a key and its certificate.
    ///
    /// # Errors
    /// Where one of them is damaged, or they do not belong together.
    pub fn from_pem(key: &str, certificate: &str) -> Result<Identity, IdentityError> {
        let wrong = |reason: String| IdentityError::Key { reason: printable(&reason) };
        let mut der =
            PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let key = any_eddsa_type(&der).map_err(|error| wrong(error.to_string()));
        der.zeroize();
        let certificate = Certificate::from_pem(certificate)?;
        let fingerprint = certificate.fingerprint();
        let certified = CertifiedKey::new(vec![certificate.0], key?);
        certified.keys_match().map_err(|_| IdentityError::Mismatch { certificate: fingerprint })?;
        Ok(Identity(Arc::new(certified)))
    }

    /// The certificate that the peers pin.
    pub fn certificate(&self) -> Certificate {
        Certificate(self.0.cert[0].clone())
    }

    /// A key and a certificate that may not belong together.
    #[cfg(test)]
    pub(in crate::net) fn unchecked(certified: CertifiedKey) -> Identity {
        Identity(Arc::new(certified))
    }

    pub(in crate::net) fn certified(&self) -> CertifiedKey {
        CertifiedKey::clone(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.certificate().fingerprint())
    }
}

/// A process's identity, and its peers' certificates.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// This process's own identity.
    pub identity: Identity,
    /// The certificates of its peers.
    pub peers: BTreeMap<Role, Certificate>,
}

impl Credentials {
    /// Makes sure that every role has a key of its own: no peer has another's, or this process's, in whatever
    /// certificate. Otherwise one node could be two that are trusted not to collude, such as a party and the dealer.
    ///
    /// # Errors
    /// [`IdentityError::Own`], [`IdentityError::Shared`].
    pub fn check_distinct(&self) -> Result<(), IdentityError> {
        let own = self.identity.certificate().public_key();
        let mut owners: BTreeMap<Vec<u8>, Role> = BTreeMap::new();
        for (&peer, certificate) in &self.peers {
            let (key, found) = (certificate.public_key(), certificate.fingerprint());
            if key == own {
                return Err(IdentityError::Own { peer, found });
            }
            if let Some(first) = owners.insert(key, peer) {
                return Err(IdentityError::Shared { first, second: peer, found });
            }
        }
        Ok(())
    }

    /// Makes sure that the own certificate, `role`'s, is valid. Returns what to warn of: certificates that end soon,
    /// and peers' that have ended.
    ///
    /// # Errors
    /// Where the own certificate is not valid now.
    pub fn check(&self, role: Role) -> Result<Vec<String>, IdentityError> {
        let now = UnixTime::now();
        let own = self.identity.certificate();
        own.check(role, now)?;
        let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
        let mut warnings = Vec::new();
        for (&owner, certificate) in self.peers.iter().chain([(&role, &own)]) {
            match (certificate.check(owner, now), certificate.check(owner, soon)) {
                (Err(error), _) => warnings.push(error.to_string()),
                (Ok(()), Err(IdentityError::Expired { since, .. })) => warnings.push(format!(
                    "the certificate of {owner} expires in {}: its owner should run `symbolon init --renew`",
                    days(&SOON.saturating_sub(since))
                )),
                (Ok(()), _) => {}
            }
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid_for(owner: Role, days: u32) -> (IdentityPem, Identity) {
        let pem = IdentityPem::generate(owner, days * DAY).expect("an identity");
        let identity = Identity::from_pem(&pem.key, &pem.certificate).expect("what was made can be read");
        (pem, identity)
    }

    #[test]
    fn an_identity_is_what_its_text_says() {
        let (pem, identity) = valid_for(Role::Dealer, 100);
        assert_eq!(Certificate::from_pem(&pem.certificate), Ok(identity.certificate()));
        let (other, _) = valid_for(Role::Dealer, 100);
        let mixed = Identity::from_pem(&pem.key, &other.certificate).expect_err("not one identity");
        assert!(matches!(mixed, IdentityError::Mismatch { .. }), "{mixed}");
        let swapped = Identity::from_pem(&pem.certificate, &pem.certificate).expect_err("no key");
        assert!(matches!(swapped, IdentityError::Key { .. }), "{swapped}");
        let both = pem.certificate.clone() + &other.certificate;
        assert_eq!(Certificate::from_pem(&both), Err(IdentityError::Several), "two nodes' certificates");
        let twice = pem.certificate.repeat(2);
        assert_eq!(Identity::from_pem(&pem.key, &twice).expect_err("two"), IdentityError::Several);
        let swapped = Certificate::from_pem(&pem.key).expect_err("no certificate");
        assert!(matches!(swapped, IdentityError::Certificate { .. }), "{swapped}");
    }

    #[test]
    fn a_fingerprint_can_be_read_aloud() {
        let fingerprint = Fingerprint(std::array::from_fn(|index| 17 * index as u8));
        assert_eq!(fingerprint.to_string(), "0011-2233-4455-6677-8899-aabb-ccdd-eeff");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (pem, identity) = valid_for(Role::Dealer, 100);
        let certificate = identity.certificate();
        let credentials =
            Credentials { identity: identity.clone(), peers: [(Role::Dealer, certificate.clone())].into() };
        assert_eq!(format!("{pem:?}"), "IdentityPem(..)");
        let fingerprint = certificate.fingerprint();
        let expected = format!(
            "Credentials {{ identity: Identity({fingerprint}), peers: {{Dealer: Certificate({fingerprint})}} }}"
        );
        assert_eq!(format!("{credentials:?}"), expected);
    }

    #[test]
    fn every_role_has_a_key_of_its_own() {
        let [zero, one, dealer] = [Role::party(0), Role::party(1), Role::Dealer];
        let [own, first, second] = [zero, one, dealer].map(|owner| valid_for(owner, 100).1);
        let check = |one_has: &Identity, dealer_has: &Certificate| {
            let peers = [(one, one_has.certificate()), (dealer, dealer_has.clone())].into();
            Credentials { identity: own.clone(), peers }.check_distinct()
        };
        assert_eq!(check(&first, &second.certificate()), Ok(()));
        let found = first.certificate().fingerprint();
        let shared = check(&first, &first.certificate());
        assert_eq!(shared, Err(IdentityError::Shared { first: one, second: dealer, found }));
        let text = shared.unwrap_err().to_string();
        assert!(text.contains("party 1 and the dealer have the same key here"), "{text}");
        // A new certificate of an old key is still the same node's.
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let certificate = |name: &str| {
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
            params.self_signed(&key).expect("a certificate").pem()
        };
        let (old, new) = (certificate("old"), certificate("new"));
        let old = Identity::from_pem(&key.serialize_pem(), &old).expect("an identity");
        let new = Certificate::from_pem(&new).expect("a certificate");
        assert_ne!(old.certificate(), new);
        assert!(matches!(check(&old, &new), Err(IdentityError::Shared { .. })));
        let found = own.certificate().fingerprint();
        let itself = check(&own, &second.certificate());
        assert_eq!(itself, Err(IdentityError::Own { peer: one, found }));
        let text = itself.unwrap_err().to_string();
        assert!(
            text.contains("the certificate of party 1 ") && text.contains("this node's own key"),
            "{text}"
        );
    }

    #[test]
    fn certificates_that_end_are_warned_about_and_those_that_have_ended_refused() {
        let credentials = |days| {
            let (_, identity) = valid_for(Role::party(0), days);
            let peer = valid_for(Role::Dealer, 100).1.certificate();
            Credentials { identity, peers: [(Role::Dealer, peer)].into() }
        };
        assert_eq!(credentials(100).check(Role::party(0)), Ok(vec![]));
        let warnings = credentials(20).check(Role::party(0)).expect("still valid");
        assert!(warnings[0].contains("the certificate of party 0 expires in "), "{warnings:?}");
        let now = Duration::from_secs(UnixTime::now().as_secs());
        let pem = IdentityPem::valid(Role::party(0), now - 10 * DAY, now - 3 * DAY).expect("an identity");
        let identity = Identity::from_pem(&pem.key, &pem.certificate).expect("it can be read");
        let error = Credentials { identity, peers: BTreeMap::new() }.check(Role::party(0)).unwrap_err();
        assert!(error.to_string().contains("party 0 expired 3 days ago"), "{error}");
        let pem = IdentityPem::valid(Role::Dealer, now + 5 * DAY, now + 9 * DAY).expect("an identity");
        let future = Certificate::from_pem(&pem.certificate).expect("it can be read");
        let error = future.check(Role::Dealer, UnixTime::now()).unwrap_err();
        assert!(matches!(error, IdentityError::NotYetValid { .. }), "{error}");
    }
}
