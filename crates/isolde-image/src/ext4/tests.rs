use super::geometry::{BLOCKS_PER_GROUP, Geometry, used_within};
use super::superblock::bitmap;
use super::*;
use crate::layer::{Segment, Segments, Xattr};
use crate::merged::Content;

fn sparse(pieces: &[(u64, u64)]) -> Content {
    let segments = pieces.iter().map(|&(at, bytes)| Segment { at, bytes, offset: 0 }).collect();
    Content::Layer { layer: 0, segments: Segments::Sparse(segments) }
}

#[test]
fn an_image_is_large_enough_and_its_groups_are_counted() {
    for (inodes, blocks, room) in [
        (11, 1, 0),
        (11, BLOCKS_PER_GROUP, 0),
        (40_000, 1, 0),
        (2_000_000, 3, 1 << 30),
        (500, 40_000_000, 1 << 30),
    ] {
        let room = Room { bytes: room };
        let geometry = Geometry::of(inodes, blocks, room).unwrap();
        assert!(geometry.inodes() >= inodes + room.inodes(), "{geometry:?}");
        assert!(geometry.blocks >= geometry.content + blocks + room.blocks(), "{geometry:?}");
        assert_eq!(geometry.groups, geometry.blocks.div_ceil(BLOCKS_PER_GROUP), "{geometry:?}");
        let all: u64 = (0..geometry.groups).map(|group| geometry.group_blocks(group)).sum();
        assert_eq!(all, geometry.blocks);
    }
    assert_eq!(Geometry::of(11, 1 << 33, Room { bytes: 0 }), None);
}

#[test]
fn what_is_used_falls_into_its_group() {
    assert_eq!([used_within(10, 0, 8), used_within(10, 8, 8), used_within(10, 16, 8)], [8, 2, 0]);
    let bits = bitmap(11, 20);
    assert_eq!(bits[..4], [0xFF, 0b0000_0111, 0b1111_0000, 0xFF]);
}

#[test]
fn pieces_of_a_sparse_file_become_runs_of_blocks() {
    let runs = |pieces: &[(u64, u64)]| {
        let runs = extents::runs(1 << 30, &sparse(pieces)).unwrap();
        runs.into_iter().map(|run| (run.first, run.blocks)).collect::<Vec<_>>()
    };
    assert_eq!(runs(&[]), []);
    assert_eq!(runs(&[(0, 1), (4095, 2)]), [(0, 2)]);
    assert_eq!(runs(&[(5000, 10), (5 * 4096, 4096)]), [(1, 1), (5, 1)]);
    // More pieces than can be told: one run without holes.
    let comb: Vec<_> = (0..2000).map(|index| (index * 8192, 1)).collect();
    assert_eq!(runs(&comb), [(0, (1 << 30) / 4096)]);
    assert!(extents::runs(1 << 44, &sparse(&comb)).is_none());
}

#[test]
fn attributes_that_do_not_fit_are_told() {
    let xattr = |name: &str, bytes: usize| Xattr {
        name: name.as_bytes().into(),
        value: vec![7; bytes].into(),
    };
    assert!(xattr::block(&[xattr("user.a", 4000)]).is_some());
    assert!(xattr::block(&[xattr("user.a", 4090)]).is_none());
    assert!(xattr::block(&[xattr("unknown.a", 1)]).is_none());
    assert!(xattr::block(&[xattr("system.posix_acl_access", 7)]).is_none());
}

#[test]
fn folders_of_many_names_need_the_blocks_that_were_counted() {
    use super::directory::{FileType, Name, blocks, count_blocks};
    for (count, length) in [(0, 0), (1, 255), (15, 255), (16, 255), (1000, 8), (340, 1)] {
        let names: Vec<Vec<u8>> = (0..count)
            .map(|number: usize| format!("{number:0length$}").into_bytes()[..].to_vec())
            .collect();
        let written = blocks(
            2,
            2,
            names.iter().map(|name| Name { name, inode: 12, kind: FileType::Regular }),
        );
        let counted = count_blocks(names.iter().map(Vec::as_slice));
        assert_eq!(written.len() as u64, counted * BLOCK, "{count} × {length}");
        // Entries reach from one to the next, to the end.
        let mut at = 0;
        let mut found = 0;
        while at < written.len() {
            let length = u16::from_le_bytes([written[at + 4], written[at + 5]]) as usize;
            assert!(length >= 8 && at % BLOCK as usize + length <= BLOCK as usize);
            at += length;
            found += 1;
        }
        assert_eq!(found, count + 2);
    }
}

#[test]
fn more_names_than_a_file_can_have_are_refused() {
    let names = |count: usize| {
        let mut bytes = Vec::new();
        for number in 0..count {
            let mut header = tar::Header::new_gnu();
            let (kind, link) = match number {
                0 => (tar::EntryType::Regular, ""),
                _ => (tar::EntryType::Link, "0"),
            };
            header.set_entry_type(kind);
            header.set_path(number.to_string()).unwrap();
            header.set_link_name_literal(link).unwrap();
            header.set_size(0);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
        }
        crate::check_layers(&[&bytes])
    };
    assert_eq!(names(65_000), Ok(()));
    let refused = names(65_001).unwrap_err();
    assert!(refused.contains("65001 names"), "{refused}");
}
