//! What shows that somebody was asked: no other page can make it, so none can have the browser do what nobody wants.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::{Duration, Instant};

/// How long somebody may think about it.
const LIFE: Duration = Duration::from_secs(600);

/// Makes and checks proofs. Its key ends with the process.
pub(crate) struct Proofs {
    key: [u8; 32],
    begun: Instant,
}

/// A proof, and until when it counts, in seconds since the process began.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) until: String,
    pub(crate) proof: String,
}

impl Proofs {
    pub(crate) fn new() -> Self {
        Self {
            key: rand::random(),
            begun: Instant::now(),
        }
    }

    /// That somebody was asked whether this shall be done to that.
    pub(crate) fn make(&self, act: &str, id: &str) -> Proof {
        let until = (self.begun.elapsed() + LIFE).as_secs().to_string();
        let mac = self.mac(act, id, &until);
        let proof = mac.map(|mac| BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        Proof {
            proof: proof.unwrap_or_default(),
            until,
        }
    }

    /// Whether it proves that. The comparison takes the same time whatever is sent.
    pub(crate) fn holds(&self, act: &str, id: &str, until: &str, proof: &str) -> bool {
        let counts = until
            .parse()
            .is_ok_and(|until: u64| self.begun.elapsed().as_secs() <= until);
        let (mac, sent) = (
            self.mac(act, id, until),
            BASE64_URL_SAFE_NO_PAD.decode(proof),
        );
        match (mac, sent) {
            (Some(mac), Ok(sent)) => counts && mac.verify_slice(&sent).is_ok(),
            _ => false,
        }
    }

    /// `None` never comes: a key of any length will do.
    fn mac(&self, act: &str, id: &str, until: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in [act, id, until] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_proof_is_of_one_thing_of_one_process_and_of_ten_minutes() {
        let proofs = Proofs::new();
        let made = proofs.make("cancel", "1-0");
        let holds = |act, id| proofs.holds(act, id, &made.until, &made.proof);
        assert!(holds("cancel", "1-0"));
        assert!(!holds("drop", "1-0") && !holds("cancel", "2-0") && !holds("cancel1", "-0"));
        let later = format!("{}0", made.until);
        assert!(!proofs.holds("cancel", "1-0", &later, &made.proof));
        for bad in ["", "x", "AAAA", &made.proof[1..]] {
            assert!(!proofs.holds("cancel", "1-0", &made.until, bad), "{bad}");
        }
        assert!(!Proofs::new().holds("cancel", "1-0", &made.until, &made.proof));
        tokio::time::advance(LIFE).await;
        assert!(holds("cancel", "1-0"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!holds("cancel", "1-0"));
    }
}
