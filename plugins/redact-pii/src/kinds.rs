//! What the plugin looks for.

/// A kind of personal data. Their order is that of `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    BrCpf,
    CaSin,
    Card,
    ChAhv,
    DeSteuerId,
    Email,
    EsDni,
    FrNir,
    Iban,
    InAadhaar,
    Ip,
    ItCodiceFiscale,
    NlBsn,
    Phone,
    PlPesel,
    SePersonnummer,
    Ssn,
    UkNhs,
    UkNino,
}

/// Their names, as settings and replacements have them.
pub const NAMES: [&str; 19] = [
    "br_cpf", "ca_sin", "card", "ch_ahv", "de_steuer_id", "email", "es_dni", "fr_nir", "iban", "in_aadhaar", "ip", "it_codice_fiscale", "nl_bsn", "phone",
    "pl_pesel", "se_personnummer", "ssn", "uk_nhs", "uk_nino",
];

impl Kind {
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).unwrap_or(&"")
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(pub u32);

impl Kinds {
    /// Everything but addresses of machines.
    pub const USUAL: Kinds = Kinds((1 << NAMES.len()) - 1 - (1 << Kind::Ip as u32));

    pub fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }
}
