//! The secret of a key that is presented by itself: drawn, kept as what proves it, and shown once.

use crate::domain::ids::PublicId;
use crate::domain::key::credential_of;
use crate::domain::key_policy::{KeyStyle, SecurityLevel};
use crate::domain::secret::{Secret, SecretKind};
use crate::manage::{Manage, ManageError};
use crate::seal::Purpose;
use crate::store::StoreError;
use crate::store::api_keys::KeyProof;

/// A secret, and what proves it.
pub(super) struct Drawn {
    /// To be shown once.
    pub secret: Secret,
    /// To be kept.
    pub proof: KeyProof,
}

impl Manage {
    /// A secret for the key of this number.
    pub(super) fn draw_key(
        &self,
        id: i64,
        style: KeyStyle,
        level: Option<SecurityLevel>,
    ) -> Result<Option<Drawn>, ManageError> {
        let kind = match style {
            KeyStyle::BoundServiceAccount => return Ok(None),
            KeyStyle::Opaque => SecretKind::Key,
            KeyStyle::AccessKey => SecretKind::Access,
            KeyStyle::Signed => SecretKind::Signed,
        };
        let public_id = PublicId::of_number(id);
        let public_id = public_id.ok_or_else(|| StoreError::Broken("a key's number is too long".into()))?;
        let secret = Secret::generate(kind, public_id, &*self.rng)?;
        let proof = if level == Some(SecurityLevel::Advanced) {
            // What is hashed with it by its owner has to be hashed with it here.
            let sealer = self.keys.sealer(Purpose::KeySecret);
            let hidden = sealer.seal(&[credential_of(id).as_bytes()], secret.expose().as_bytes());
            KeyProof::Sealed(hidden.map_err(|error| StoreError::Broken(error.into()))?)
        } else {
            let pepper = self.keys.pepper();
            let (pepper, hash) = pepper.hash(&secret);
            KeyProof::Hashed { pepper: pepper.to_owned(), hash }
        };
        Ok(Some(Drawn { secret, proof }))
    }
}
