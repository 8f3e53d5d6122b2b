use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn parse(bytes: &[u8]) -> Result<Vec<Entry>, LayerFault> {
    let mut entries = Vec::new();
    read_entries(Cursor::new(bytes), bytes.len() as u64, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

/// An archive with one entry of this header and content.
fn archive(change: impl FnOnce(&mut tar::Header), content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("name").unwrap();
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header.set_size(content.len() as u64);
    change(&mut header);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn reason(bytes: &[u8]) -> String {
    parse(bytes).unwrap_err().reason
}

#[test]
fn a_plain_file_is_where_its_bytes_are() {
    let bytes = archive(|_| {}, b"content");
    let entries = parse(&bytes).unwrap();
    let [entry] = &*entries else { panic!("{entries:?}") };
    let EntryKind::File { bytes: 7, segments: Segments::Whole(512) } = entry.kind else {
        panic!("{entry:?}")
    };
    let Attributes { mode, uid, gid, mtime_s, .. } = entry.attributes;
    assert_eq!((mode, uid, gid, mtime_s), (0o644, 1, 2, 3));
}

#[test]
fn sizes_that_no_archive_has_are_refused_at_once() {
    let huge = archive(|header| header.set_size(1 << 42), b"");
    assert!(reason(&huge).contains("cut short"));
    let long_name = archive(
        |header| {
            header.set_entry_type(tar::EntryType::GNULongName);
            header.set_size(1 << 40);
        },
        b"",
    );
    assert!(reason(&long_name).contains("too long"));
    let records = archive(
        |header| {
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_size(1 << 40);
        },
        b"",
    );
    assert!(reason(&records).contains("too long"));
}

#[test]
fn a_map_of_a_sparse_file_must_fit_the_file() {
    let sparse = |map: &str, stored: &[u8]| {
        let records: [(&str, &[u8]); 3] = [
            ("GNU.sparse.realsize", b"100"),
            ("GNU.sparse.map", map.as_bytes()),
            ("GNU.sparse.name", b"sparse"),
        ];
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records).unwrap();
        let mut bytes = builder.get_ref().clone();
        bytes.extend(archive(|_| {}, stored));
        parse(&bytes).map(|entries| format!("{:?}", entries[0].kind))
    };
    let good = sparse("0,4,90,6", &[1; 10]).unwrap();
    assert!(good.contains("bytes: 100") && good.contains("at: 90"), "{good}");
    for (map, stored) in [
        ("0,4,90,11", 15),
        ("0,4,2,6", 10),
        ("0,4,90,6", 9),
        ("0,4,90", 4),
        ("0,18446744073709551615,1,1", 2),
        ("x", 1),
    ] {
        sparse(map, &vec![1; stored]).unwrap_err();
    }
}

#[test]
fn names_are_safe_to_show() {
    assert_eq!(readable(b"a\x1b[31m\nb"), "a\\u{1b}[31m\\nb");
    assert!(readable(&[b'x'; 5000]).chars().count() < 130);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_damaged_header_never_panics(place in 0usize..512, value: u8, content in "[0-9\n]{0,600}") {
        for kind in [tar::EntryType::GNUSparse, tar::EntryType::XHeader, tar::EntryType::Link] {
            let mut bytes = archive(|header| header.set_entry_type(kind), content.as_bytes());
            bytes[place] = value;
            let sum: u32 = bytes[..148].iter().chain(&bytes[156..512]).map(|b| u32::from(*b)).sum();
            bytes[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 256).as_bytes());
            let _ = parse(&bytes);
        }
    }
}
