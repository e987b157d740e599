"""The defects of article 001, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("001-01", "1", "claim", "A game is described as training on two tasks"),
    Defect("001-02", "1", "claim", "The generator is to make a data set like the real one"),
    Defect("001-03", "2", "claim", "A random variable is said to map events to numbers"),
    Defect("001-04", "2", "claim", "A distribution is said to tell how possible each value is"),
    Defect("001-05", "2", "claim", "Gradient descent is said to move along the gradient"),
    Defect("001-06", "2", "claim", "The smaller the loss, the better the model is said to be"),
    Defect("001-07", "2", "claim", "The gradient is called the slope at a point"),
    Defect("001-08", "2", "claim", "An activation function is said to map a network's input to its output"),
    Defect("001-09", "3", "claim", "Training is to stop when the gap is small, and no gap is defined"),
    Defect("001-10", "3", "formula", "Both players are given one and the same loss"),
    Defect("001-11", "3", "formula", "The second half of the discriminator's loss has the wrong sign"),
    Defect("001-12", "3", "formula", "The generator's loss holds a term in which there is no generator"),
    Defect("001-13", "3", "claim", "The value of a loss is said to be the discriminator's output"),
    Defect("001-14", "3", "omission", "The generator's loss saturates, and no other one is given"),
    Defect("001-15", "3", "formula", "The update rule of one minimiser is applied to two players"),
    Defect("001-16", "3", "omission", "The probability is missing: no optimal discriminator, no divergence"),
    Defect("001-17", "4", "listing", "The discriminator ends in a logit, and no loss is told so"),
    Defect("001-18", "4", "listing", "The optimiser is given an argument that no longer exists"),
    Defect("001-19", "4", "listing", "The data are never loaded"),
    Defect("001-20", "4", "listing", "The length of the noise is used and never set"),
    Defect("001-21", "4", "listing", "NumPy is used and never imported"),
    Defect("001-22", "4", "listing", "The two networks are described and never built"),
    Defect("001-23", "4", "listing", "Neither network is compiled, and the optimiser is given to nobody"),
    Defect("001-24", "4", "listing", "The generator is trained to paint ones, without the discriminator"),
    Defect("001-25", "4", "listing", "A loss is taken for a batch of pictures"),
    Defect("001-26", "4", "listing", "One returned number is unpacked into two"),
    Defect("001-27", "4", "listing", "The discriminator is shown labels in place of pictures"),
    Defect("001-28", "4", "listing", "A reshape is to turn grey pictures into coloured ones"),
    Defect("001-29", "4", "listing", "Every batch is the first batch"),
    Defect("001-30", "4", "listing", "Real pictures are never brought to the range of the generated ones"),
    Defect("001-31", "4", "listing", "The step called training the discriminator trains the generator"),
    Defect("001-32", "4", "listing", "The number printed as the generator's loss is the discriminator's"),
    Defect("001-33", "4", "listing", "The interval of saving is asked for and never used"),
    Defect("001-34", "5", "claim", "Clipped and normalised gradients are named as the answer to instability"),
    Defect("001-35", "5", "claim", "The analysis of activation functions is to explain a model"),
    Defect("001-36", "6", "claim", "How GANs differ from other models is answered with GANs"),
    Defect("001-37", "6", "claim", "The generator is said to learn the relation of generated and real pictures"),
    Defect("001-38", "6", "omission", "Quality is named as the strength and instability as the only weakness"),
)
