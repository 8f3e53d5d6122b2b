use isolde_model::{EnvironmentName, Inference, Phase, Trial};
use proptest::prelude::*;

use super::*;
use crate::inferences;

fn trial() -> Trial {
    Trial {
        index: 7,
        block: 1,
        position: 2,
        environment: EnvironmentName::new("docker"),
        application: "road-sign".into(),
        threads: 1,
    }
}

fn inference(index: u32) -> Inference {
    Inference {
        index,
        phase: if index < 2 { Phase::WarmUp } else { Phase::Steady },
        input: index % 5,
        prepare_ns: 1_000 + u64::from(index),
        infer_ns: 37_000 + u64::from(index) * 13,
        interpret_ns: 90,
        label: index % 43,
        output_digest: format!("{:016x}", index % 5),
        tasks: Vec::new(),
    }
}

fn whole_file() -> Vec<u8> {
    let rows: Vec<_> = (0..40).map(inference).collect();
    inferences::encode(&trial(), &rows).unwrap()
}

/// The footer of a file with its schema's announced children replaced.
fn with_children(children: u64) -> Vec<u8> {
    // FileMetaData { 1: version i32 = 2, 2: schema list<struct> of 1 { 4: name,
    // 5: num_children }, 3: num_rows i64 = 0, 4: row_groups list<struct> of 0 }
    let mut footer = vec![0x15, 0x04, 0x19, 0x1c, 0x48, 0x01, b'x', 0x15];
    let mut zigzag = children << 1;
    while zigzag >= 0x80 {
        footer.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    footer.push(zigzag as u8);
    footer.extend([0x00, 0x16, 0x00, 0x19, 0x0c, 0x00]);
    let length = footer.len() as u32;
    let mut file = b"PAR1".to_vec();
    file.extend(footer);
    file.extend(length.to_le_bytes());
    file.extend(b"PAR1");
    file
}

#[test]
fn every_kind_of_column_survives() {
    let columns = [
        Column::varied("int", Values::Int(vec![i64::MIN, 0, i64::MAX])),
        Column::repetitive("text", Values::Text(["", "ü", "a\0b"].map(ByteArray::from).into())),
        Column::varied("float", Values::Float(vec![f32::MIN_POSITIVE, -0.0, f32::INFINITY])),
    ];
    let file = encode("test", &columns).unwrap();
    let wanted = [("float", Kind::Float), ("int", Kind::Int), ("text", Kind::Text)];
    let [float, int, text] = decode(file, wanted, 3).unwrap();
    assert_eq!([int, text, float], columns.map(|column| column.values));
}

#[test]
fn a_column_that_is_missing_or_of_another_type_is_named() {
    let file = encode("test", &[Column::varied("a", Values::Int(vec![1]))]).unwrap();
    let missing = decode(file.clone(), [("b", Kind::Int)], 1).unwrap_err();
    assert!(missing.contains("column b"), "{missing}");
    let other = decode(file, [("a", Kind::Float)], 1).unwrap_err();
    assert!(other.contains("column a"), "{other}");
}

#[test]
fn more_rows_than_allowed_are_refused_whoever_claims_them() {
    let file = encode("test", &[Column::constant("a", 1, 100)]).unwrap();
    assert!(decode(file, [("a", Kind::Int)], 99).unwrap_err().contains("100 rows"));
}

#[test]
fn a_schema_that_announces_thousands_of_millions_of_columns_is_refused() {
    for children in [1, 7, 1 << 31, 1 << 40] {
        let why = decode(with_children(children), [("a", Kind::Int)], 9).unwrap_err();
        assert!(why.contains("flat"), "{why}");
    }
}

#[test]
fn a_page_that_claims_two_gibibytes_is_refused() {
    let file = encode("test", &[Column::varied("a", Values::Int(vec![5; 9]))]).unwrap();
    // The first page header follows the magic: field 1 (type), field 2 (size).
    assert_eq!(file[4..7], [0x15, 0x00, 0x15]);
    let mut hostile = file[..7].to_vec();
    hostile.extend([0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(thrift::uncompressed_page_size(&hostile[4..]), Some(i64::from(i32::MAX)));
    hostile.extend(&file[8..]);
    let why = decode(hostile, [("a", Kind::Int)], 9).unwrap_err();
    assert!(why.contains("claims 2147483647 bytes"), "{why}");
}

#[test]
fn every_truncation_is_refused() {
    let file = whole_file();
    for length in 0..file.len() {
        assert!(inferences::decode(file[..length].to_vec(), 7).is_err(), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What comes out may be wrong (the digest beside the file is what tells),
    /// but it comes out, and bounded.
    #[test]
    fn flipped_bits_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..8),
    ) {
        let mut file = whole_file();
        for (at, bit) in flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        if let Ok(rows) = inferences::decode(file, 7) {
            prop_assert!(rows.len() <= inferences::MOST_ROWS);
        }
    }

    #[test]
    fn overwritten_bytes_never_panic(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut file = whole_file();
        let at = at.index(file.len());
        for (place, byte) in file[at..].iter_mut().zip(bytes) {
            *place = byte;
        }
        let _ = inferences::decode(file, 7);
    }

    #[test]
    fn any_footer_is_survived(footer in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = b"PAR1".to_vec();
        let length = footer.len() as u32;
        file.extend(footer);
        file.extend(length.to_le_bytes());
        file.extend(b"PAR1");
        prop_assert!(inferences::decode(file, 7).is_err());
    }
}
