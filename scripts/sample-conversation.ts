/** What the screenshots show: who says what in which room, as a small company's support would. */
export const people = ['Ada Lovelace', 'Grace Hopper', 'Linus', 'Maryam Mirzakhani'] as const
export type Person = (typeof people)[number]

export const rooms = ['support', 'deliveries', 'design-review', 'releases'] as const

export const conversation: readonly (readonly [Person, string])[] = [
  ['Grace Hopper', 'Good morning. The new warehouse goes live at ten.'],
  ['Linus', 'Scanners are charged, the labels are printed.'],
  ['Linus', 'One printer is missing, I took the one from reception.'],
  ['Ada Lovelace', 'Thank you both. Who watches the dashboard while we switch over?'],
  ['Maryam Mirzakhani', 'I do. Connections are steady, deliveries take 4 ms at the moment.'],
  ['Grace Hopper', 'Then let us begin. I restart the first instance now.'],
  ['Maryam Mirzakhani', 'Saw it go. Everybody was back within two seconds, nothing missing.'],
  ['Ada Lovelace', 'My page moved to the other instance and caught up by itself.'],
  ['Linus', 'Mine as well. What I wrote meanwhile went out afterwards, once.'],
  [
    'Grace Hopper',
    'Second instance next. If somebody is on the train: write as usual, messages wait on the phone and are sent when there is a network again.',
  ],
  ['Maryam Mirzakhani', 'Done. Both are on the new version.'],
  ['Ada Lovelace', 'Lovely. I tell the customers that we are open.'],
]

/** Unread elsewhere. */
export const elsewhere: readonly (readonly [(typeof rooms)[number], Person, string])[] = [
  ['deliveries', 'Linus', 'Three parcels for gate B'],
  ['deliveries', 'Linus', 'And one for gate C'],
  ['releases', 'Grace Hopper', 'Notes are in the usual place'],
]
