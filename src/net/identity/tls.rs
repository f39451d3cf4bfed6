//! Mutual TLS 1.3 between identities that know each other.
//!
//! Both ends show their certificate and prove that they have its key. A peer is accepted whose certificate is pinned,
//! byte for byte, is valid now and has signed the handshake; nothing else of a certificate counts: no name, no
//! authority. Keys are agreed on by X25519 and ML-KEM-768 together, so that what is recorded today stays closed to
//! whoever breaks one of them later. There is no resumption, no early data, and no older version to fall back to.

use crate::net::identity::socket::{BUFFER_BYTES, Socket};
use crate::net::identity::{Certificate, Credentials, IdentityError};
use crate::share::{Role, printable};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::Acceptor;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    ServerConfig, SignatureScheme,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::StartHandshake;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, TlsStream};

/// AES-256 where the processor has instructions for it, as nearly all have; both ends choose from the same list.
const CIPHER_SUITES: [rustls::SupportedCipherSuite; 2] =
    [cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];

/// An encrypted connection.
pub(in crate::net) type Stream = TlsStream<Socket>;

/// The configurations of this process's handshakes.
#[derive(Clone, Debug)]
pub(in crate::net) struct Tls {
    provider: Arc<CryptoProvider>,
    credentials: Credentials,
    /// Whom those that connect must be.
    verifier: Arc<Verifier>,
    server: Arc<ServerConfig>,
}

/// A connection of somebody unknown whose first message is there. Nothing has been computed for it.
pub(in crate::net) struct Opening(StartHandshake<Socket>);

impl Opening {
    /// Waits for the whole first message.
    pub(in crate::net) async fn hear(stream: TcpStream) -> Result<Opening, Failure> {
        Ok(Opening(LazyConfigAcceptor::new(Acceptor::default(), Socket::new(stream)).await?))
    }
}

impl Tls {
    pub(in crate::net) fn new(credentials: &Credentials) -> Tls {
        let mut provider = default_provider();
        provider.cipher_suites = CIPHER_SUITES.to_vec();
        provider.kx_groups = vec![kx_group::X25519MLKEM768];
        let provider = Arc::new(provider);
        let verifier = Arc::new(Verifier { pinned: credentials.peers.clone(), provider: provider.clone() });
        let key = Arc::new(SingleCertAndKey::from(credentials.identity.certified()));
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&[&TLS13]).expect("TLS 1.3 fits the provider");
        let mut server = builder.with_client_cert_verifier(verifier.clone()).with_cert_resolver(key);
        server.send_tls13_tickets = 0;
        Tls { provider, credentials: credentials.clone(), verifier, server: Arc::new(server) }
    }

    /// Shakes hands with the process that was dialled, which must be `peer`.
    pub(in crate::net) async fn connect(&self, peer: Role, stream: TcpStream) -> Result<Stream, Failure> {
        let pinned = self.credentials.peers.get(&peer).cloned();
        let pinned = pinned.map(|pinned| (peer, pinned)).into_iter().collect();
        let verifier = Verifier { pinned, provider: self.provider.clone() };
        let key = Arc::new(SingleCertAndKey::from(self.credentials.identity.certified()));
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_protocol_versions(&[&TLS13]).expect("TLS 1.3 fits the provider");
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(key);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        let name = ServerName::try_from("symbolon").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, Socket::new(stream)).await?;
        let (socket, session) = stream.get_mut();
        socket.trust();
        session.set_buffer_limit(Some(BUFFER_BYTES));
        Ok(stream.into())
    }

    /// Shakes hands with a process that has connected; returns who it is.
    pub(in crate::net) async fn accept(&self, stream: TcpStream) -> Result<(Role, Stream), Failure> {
        self.answer(Opening::hear(stream).await?).await
    }

    /// Shakes hands with a process whose first message is there; returns who it is.
    pub(in crate::net) async fn answer(&self, Opening(start): Opening) -> Result<(Role, Stream), Failure> {
        let mut stream = match start.into_stream(self.server.clone()).into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                let_the_alert_through(stream).await;
                return Err(error.into());
            }
        };
        let (socket, session) = stream.get_mut();
        socket.trust();
        session.set_buffer_limit(Some(BUFFER_BYTES));
        let shown = session.peer_certificates().and_then(<[_]>::first).map(Certificate::from_der);
        let role =
            shown.and_then(|shown| self.verifier.owner(&shown)).expect("the verifier has seen a pinned one");
        Ok((role, stream.into()))
    }
}

/// Closing a connection on bytes that have not been read would take back the alert that says why.
async fn let_the_alert_through(mut stream: Socket) {
    const PATIENCE: Duration = Duration::from_millis(500);
    const MOST_BYTES: u64 = 64 << 10;
    let _ = stream.shutdown().await;
    let mut rest = stream.take(MOST_BYTES);
    let _ = timeout(PATIENCE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::net) enum Failure {
    /// The peer's certificate is not accepted here.
    Untrusted(IdentityError),
    /// Anything else: the peer speaks no TLS, or has gone.
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(cause)))) = tls
            && let Some(cause) = cause.downcast_ref::<IdentityError>()
        {
            return Failure::Untrusted(cause.clone());
        }
        match tls {
            Some(Error::InvalidMessage(_)) => Failure::Broken("it does not speak TLS".into()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Failure::Broken("it closed the connection".into())
            }
            _ => Failure::Broken(printable(&error.to_string())),
        }
    }
}

/// Accepts the pinned.
#[derive(Debug)]
struct Verifier {
    pinned: BTreeMap<Role, Certificate>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Whose certificate it is.
    fn owner(&self, shown: &Certificate) -> Option<Role> {
        self.pinned.iter().find(|(_, pinned)| *pinned == shown).map(|(&role, _)| role)
    }

    fn check(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let shown = Certificate::from_der(shown);
        let checked = match (self.owner(&shown), self.pinned.first_key_value()) {
            (Some(owner), _) => shown.check(owner, now),
            (None, Some((&owner, pinned))) if self.pinned.len() == 1 => {
                Err(IdentityError::Wrong { owner, found: shown.fingerprint(), pinned: pinned.fingerprint() })
            }
            (None, _) => Err(IdentityError::Unknown { found: shown.fingerprint() }),
        };
        checked.map_err(|error| {
            Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(Arc::new(error))))
        })
    }
}

/// There is no older version to verify signatures for.
const NO_TLS12: Error = Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered);

/// The signatures that either end accepts.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _certificate: &CertificateDer<'_>,
            _signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(NO_TLS12)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, now).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, now).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::error::{NetError, explain};
    use crate::net::identity::Identity;
    use crate::net::identity::IdentityPem;
    use tokio::net::TcpListener;

    const ZERO: Role = Role::party(0);
    const ONE: Role = Role::party(1);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn identity(pem: IdentityPem) -> Identity {
        Identity::from_pem(&pem.key, &pem.certificate).expect("a new identity")
    }

    fn fresh(owner: Role) -> Identity {
        identity(IdentityPem::generate(owner, DAY).expect("a new identity"))
    }

    fn tls(identity: &Identity, peer: Role, pinned: &Identity) -> Tls {
        let peers = [(peer, pinned.certificate())].into();
        Tls::new(&Credentials { identity: identity.clone(), peers })
    }

    /// What party 0, which accepts, and party 1, which connects, say of a handshake and the first byte after it.
    async fn shake(zero: Tls, one: Tls) -> (Result<Role, Failure>, Result<(), NetError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let accepting = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (role, mut stream) = zero.accept(stream).await?;
            stream.write_all(b"!").await.expect("a byte is sent");
            stream.shutdown().await.expect("the stream is ended");
            Ok(role)
        };
        let connecting = async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let mut stream = one.connect(ZERO, stream).await.map_err(|failure| NetError::Handshake {
                address: String::new(),
                reason: format!("{failure:?}"),
            })?;
            let _ = stream.write_all(b"?").await;
            stream.read_u8().await.map(|_| ()).map_err(|error| explain(ZERO, &error))
        };
        tokio::join!(accepting, connecting)
    }

    #[tokio::test]
    async fn peers_that_have_pinned_each_other_meet() {
        let (zero, one) = (fresh(ZERO), fresh(ONE));
        let met = shake(tls(&zero, ONE, &one), tls(&one, ZERO, &zero)).await;
        assert_eq!(met, (Ok(ONE), Ok(())));
    }

    #[tokio::test]
    async fn a_stranger_is_refused_on_either_side_and_told() {
        let (zero, one, stranger) = (fresh(ZERO), fresh(ONE), fresh(ONE));
        let (accepted, connected) = shake(tls(&zero, ONE, &one), tls(&stranger, ZERO, &zero)).await;
        let found = stranger.certificate().fingerprint();
        let expected = IdentityError::Wrong { owner: ONE, found, pinned: one.certificate().fingerprint() };
        assert_eq!(accepted, Err(Failure::Untrusted(expected)));
        assert!(matches!(connected, Err(NetError::Refused { peer: ZERO, .. })), "{connected:?}");
        let (accepted, connected) = shake(tls(&stranger, ONE, &one), tls(&one, ZERO, &zero)).await;
        assert!(matches!(accepted, Err(Failure::Broken(_))), "{accepted:?}");
        let error = connected.expect_err("the wrong party 0").to_string();
        assert!(error.contains("Untrusted(Wrong { owner: Party(PartyId(0))"), "{error}");
    }

    #[tokio::test]
    async fn a_certificate_that_has_ended_is_refused_though_it_is_pinned() {
        let now = Duration::from_secs(UnixTime::now().as_secs());
        let old = identity(IdentityPem::valid(ONE, now - 9 * DAY, now - 2 * DAY).expect("an identity"));
        let zero = fresh(ZERO);
        let (accepted, connected) = shake(tls(&zero, ONE, &old), tls(&old, ZERO, &zero)).await;
        let Err(Failure::Untrusted(error)) = accepted else { panic!("expired: {accepted:?}") };
        assert!(error.to_string().contains("the certificate of party 1 expired 2 days ago"), "{error}");
        assert!(matches!(connected, Err(NetError::Refused { .. })), "{connected:?}");
    }

    #[tokio::test]
    async fn who_shows_a_certificate_without_its_key_is_refused() {
        let (zero, one, thief) = (fresh(ZERO), fresh(ONE), fresh(ONE));
        let stolen = rustls::sign::CertifiedKey::new(
            vec![one.certified().cert[0].clone()],
            thief.certified().key.clone(),
        );
        let stolen = Identity::unchecked(stolen);
        let (accepted, _) = shake(tls(&zero, ONE, &one), tls(&stolen, ZERO, &zero)).await;
        assert!(
            matches!(&accepted, Err(Failure::Broken(reason)) if reason.contains("BadSignature")),
            "{accepted:?}"
        );
    }

    #[tokio::test]
    async fn what_is_no_tls_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut stream =
            TcpStream::connect(listener.local_addr().expect("its address")).await.expect("a connection");
        stream.write_all(&[b'x'; 100]).await.expect("garbage is sent");
        let (accepted, _) = listener.accept().await.expect("a connection");
        let refused = tls(&fresh(ZERO), ONE, &fresh(ONE)).accept(accepted).await.err();
        assert_eq!(refused, Some(Failure::Broken("it does not speak TLS".into())));
    }
}
