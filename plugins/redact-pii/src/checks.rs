//! Checksums, and the rules of who issues what. Digits are their values, 0 to 9.

/// ISO/IEC 7812: of payment cards, Canadian SINs and Swedish personnummer.
pub fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0;
    for (i, d) in digits.iter().rev().enumerate() {
        let d = u32::from(*d) << (i & 1);
        sum += if d > 9 { d - 9 } else { d };
    }
    sum % 10 == 0
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |n, d| n * 10 + u64::from(*d))
}

fn weighted(digits: &[u8], weights: &[u8]) -> u32 {
    digits.iter().zip(weights).map(|(d, w)| u32::from(*d) * u32::from(*w)).sum()
}

fn same(digits: &[u8]) -> bool {
    digits.iter().all(|d| *d == digits[0])
}

/// Payment cards: an issuer's prefix, a length that it has, Luhn.
pub fn card(d: &[u8]) -> bool {
    let n = d.len();
    if !(12..=19).contains(&n) {
        return false;
    }
    let p4 = number(&d[..4]);
    let (p1, p2, p3) = (p4 / 1000, p4 / 100, p4 / 10);
    let issued = match p1 {
        4 => matches!(n, 13 | 16 | 19),                                                   // Visa
        5 if (51..=55).contains(&p2) => n == 16,                                          // Mastercard
        2 if (2221..=2720).contains(&p4) => n == 16,                                      // Mastercard
        2 if (2200..=2204).contains(&p4) => n >= 16,                                      // Mir
        3 if p2 == 34 || p2 == 37 => n == 15,                                             // American Express
        3 if (300..=305).contains(&p3) || p4 == 3095 || matches!(p2, 36 | 38 | 39) => (14..=19).contains(&n), // Diners Club
        3 if (3528..=3589).contains(&p4) => n >= 16,                                      // JCB
        6 if p4 == 6011 || (644..=649).contains(&p3) || p2 == 65 || p2 == 62 => n >= 16,  // Discover, UnionPay
        5 | 6 => matches!(p4, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),     // Maestro
        _ => false,
    };
    issued && !same(d) && luhn(d)
}

/// US social security numbers: areas, groups and serials that are issued.
pub fn ssn(d: &[u8]) -> bool {
    let (area, group, serial) = (number(&d[..3]), number(&d[3..5]), number(&d[5..]));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 && !(area == 78 && group == 5 && serial == 1120)
}

/// Brazil's CPF: two check digits.
pub fn cpf(d: &[u8]) -> bool {
    let digit = |n: usize| {
        let sum: u32 = d[..n].iter().enumerate().map(|(i, x)| u32::from(*x) * (n + 1 - i) as u32).sum();
        sum * 10 % 11 % 10
    };
    !same(d) && digit(9) == u32::from(d[9]) && digit(10) == u32::from(d[10])
}

/// Switzerland's AHV number: 756, and the check digit of EAN-13.
pub fn ahv(d: &[u8]) -> bool {
    d.starts_with(&[7, 5, 6]) && weighted(d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 == 0
}

/// France's NIR: sex, month, and 97 minus the rest by 97.
pub fn nir(d: &[u8]) -> bool {
    let month = number(&d[3..5]);
    matches!(d[0], 1 | 2) && ((1..=12).contains(&month) || (20..=42).contains(&month)) && 97 - number(&d[..13]) % 97 == number(&d[13..])
}

/// Sweden's personnummer: a date (the day 60 more for people without a number of their own), and Luhn.
pub fn personnummer(d: &[u8]) -> bool {
    let day = number(&d[4..6]);
    (1..=12).contains(&number(&d[2..4])) && ((1..=31).contains(&day) || (61..=91).contains(&day)) && luhn(d)
}

/// Poland's PESEL: a date whose month says the century, and a check digit.
pub fn pesel(d: &[u8]) -> bool {
    let month = number(&d[2..4]) % 20;
    (1..=12).contains(&month) && (1..=31).contains(&number(&d[4..6])) && weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 == 0
}

/// The NHS number of England: modulo 11.
pub fn nhs(d: &[u8]) -> bool {
    let check = (11 - weighted(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    !same(d) && check == u32::from(d[9])
}

/// The Netherlands' BSN: the proof of eleven.
pub fn bsn(d: &[u8]) -> bool {
    let sum = weighted(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    !same(d) && sum % 11 == u32::from(d[8])
}

/// Germany's Steuer-ID: ISO 7064 MOD 11,10; of the first ten digits one stands two or three times.
pub fn steuer_id(d: &[u8]) -> bool {
    let mut counts = [0u8; 10];
    d[..10].iter().for_each(|x| counts[*x as usize] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    let mut product = 10;
    for x in &d[..10] {
        let sum = (u32::from(*x) + product) % 10;
        product = 2 * (if sum == 0 { 10 } else { sum }) % 11;
    }
    d[0] != 0 && (2..=3).contains(&most) && (11 - product) % 10 == u32::from(d[10])
}

/// India's Aadhaar: Verhoeff's check digit, and a first digit from 2 on.
pub fn aadhaar(d: &[u8]) -> bool {
    d[0] >= 2 && verhoeff(d)
}

/// Verhoeff's check in the dihedral group of order 10.
fn verhoeff(d: &[u8]) -> bool {
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut c = 0u8;
    for (i, x) in d.iter().rev().enumerate() {
        let mut x = *x;
        for _ in 0..i % 8 {
            x = PERMUTED[x as usize];
        }
        c = product(c, x);
    }
    c == 0
}

fn product(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// Spain's DNI and NIE: a letter by the number modulo 23. X, Y, Z of a NIE stand for 0, 1, 2.
pub fn dni(first: u8, d: &[u8], letter: u8) -> bool {
    let n = (u64::from(first) * 10_000_000 + number(d)) % 23;
    b"TRWAGMYFPDXBNJZSQVHLCKE"[n as usize] == letter
}

/// Italy's codice fiscale: sixteen characters, the last of which checks the others.
pub fn codice_fiscale(c: &[u8]) -> bool {
    let shape = b"LLLLLLddMddLdddL";
    let fits = c.len() == 16
        && c.iter().zip(shape).all(|(c, s)| match s {
            b'L' => c.is_ascii_uppercase(),
            b'M' => b"ABCDEHLMPRST".contains(c),
            _ => c.is_ascii_digit() || b"LMNPQRSTUV".contains(c),
        });
    if !fits {
        return false;
    }
    let mut sum = 0;
    for (i, c) in c[..15].iter().enumerate() {
        let place = if c.is_ascii_digit() { c - b'0' + 26 } else { c - b'A' };
        sum += u32::from(match (i % 2 == 0, c.is_ascii_digit()) {
            (true, _) => ODD_VALUES[place as usize],
            (false, true) => place - 26,
            (false, false) => place,
        });
    }
    sum % 26 == u32::from(c[15] - b'A')
}

/// What a character at an odd place counts: A to Z, then 0 to 9.
const ODD_VALUES: [u8; 36] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
];

/// The United Kingdom's national insurance numbers: prefixes that are given out.
pub fn nino_prefix(a: u8, b: u8) -> bool {
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    a.is_ascii_uppercase() && b.is_ascii_uppercase() && !b"DFIQUV".contains(&a) && !b"DFIOQUV".contains(&b) && !never.iter().any(|p| p[0] == a && p[1] == b)
}

/// How long an IBAN of a country is, by the registry of SWIFT; 0 if there is none.
pub fn iban_length(a: u8, b: u8) -> usize {
    const LENGTHS: &[u8] = b"NO15BE16DK18FI18FK18FO18GL18NL18SD18MK19SI19AT20BA20EE20KZ20LT20LU20MN20XK20CH21HR21LI21LV21BG22BH22CR22DE22GB22GE22IE22ME22\
RS22VA22AE23GI23IL23IQ23OM23SO23TL23AD24CZ24ES24MD24PK24RO24SA24SE24SK24TN24VG24LY25PT25IS26TR26BI27DJ27FR27GR27IT27MC27MR27SM27AL28AZ28BY28CY28DO28\
GT28HN28HU28LB28NI28PL28SV28BR29EG29PS29QA29UA29JO30KW30MU30YE30MT31SC31LC32RU33";
    match LENGTHS.chunks_exact(4).find(|c| c[0] == a && c[1] == b) {
        Some(c) => usize::from((c[2] - b'0') * 10 + c[3] - b'0'),
        None => 0,
    }
}

/// ISO 7064 MOD 97-10 of an IBAN: letters count 10 to 35, and the first four characters come last.
pub fn iban(c: &[u8]) -> bool {
    let rotated = c[4..].iter().chain(&c[..4]);
    let rest = rotated.fold(0u32, |n, c| match c {
        b'0'..=b'9' => (n * 10 + u32::from(c - b'0')) % 97,
        _ => (n * 100 + u32::from(c - b'A') + 10) % 97,
    });
    rest == 1
}

/// Whether a number of the form +... begins with a country code that is assigned; its length.
pub fn country_code(d: &[u8]) -> usize {
    let p2 = match d {
        [a, b, ..] => a * 10 + b,
        _ => return 0,
    };
    match p2 {
        10..=19 | 70..=79 => 1,
        20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98 => 2,
        21..=26 | 29 | 35 | 37 | 38 | 42 | 50 | 59 | 67..=69 | 80 | 85 | 87 | 88 | 96 | 97 | 99 => 3,
        _ => 0,
    }
}

/// A North American number of ten digits: neither area nor exchange begins with 0 or 1, nor is a service code.
pub fn nanp(d: &[u8]) -> bool {
    let office = |d: &[u8]| d[0] >= 2 && !(d[1] == 1 && d[2] == 1);
    d.len() == 10 && office(d) && office(&d[3..])
}
