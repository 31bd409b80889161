package main

import (
	"encoding/binary"
	"hash/crc32"
)

// The twin of data.py: the same pairs, made of the same numbers.

const (
	gamma = 0x9e3779b97f4a7c15
	odd   = 0xd1342543de82ef95 // makes a value's word from its key's
)

// mix is the output function of splitmix64.
func mix(word uint64) uint64 {
	word = (word ^ word>>30) * 0xbf58476d1ce4e5b9
	word = (word ^ word>>27) * 0x94d049bb133111eb
	return word ^ word>>31
}

type pair struct{ key, value []byte }

func (j *job) word(number int) uint64 {
	if j.Order == "ordered" {
		return uint64(number)
	}
	return mix(j.Seed + uint64(number)*gamma)
}

// pair is the one of that number; another version has another value.
func (j *job) pair(number int, version uint64) pair {
	word := j.word(number)
	size := j.Values + int(word%uint64(j.Spread+1))
	return pair{repeated(word, j.Keys), repeated(word*odd+version, size)}
}

func (j *job) key(number int) []byte { return repeated(j.word(number), j.Keys) }

// chosen is the number of the pair that an operation on a loaded file is about.
func (j *job) chosen(turn int) int {
	return int(mix((j.Seed^odd)+uint64(turn)*gamma) % uint64(j.Count))
}

// repeated is the word's bytes, the highest first, again and again.
func repeated(word uint64, size int) []byte {
	out := make([]byte, size)
	var one [8]byte
	binary.BigEndian.PutUint64(one[:], word)
	for at := 0; at < size; at += 8 {
		copy(out[at:], one[:])
	}
	return out
}

// sum counts pairs and takes their CRC-32, key and value, one after the other.
type sum struct {
	pairs int
	crc   uint32
}

func (s *sum) add(key, value []byte) {
	s.pairs++
	s.crc = crc32.Update(s.crc, crc32.IEEETable, key)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, value)
}
